/* Texts: written by a format, copied, and made UTF-8. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inside.h"

void *mq_alloc(size_t size)
{
    void *memory = malloc(size > 0 ? size : 1);
    if (memory == NULL) {
        abort();
    }
    return memory;
}

char *mq_copy(const void *bytes, size_t size)
{
    char *copy = mq_alloc(size + 1);
    if (size > 0) {
        memcpy(copy, bytes, size);
    }
    copy[size] = 0;
    return copy;
}

char *mq_vformat(const char *format, va_list values)
{
    va_list again;
    va_copy(again, values);
    int size = vsnprintf(NULL, 0, format, values);
    if (size < 0) {
        abort();
    }
    char *text = mq_alloc((size_t)size + 1);
    vsnprintf(text, (size_t)size + 1, format, again);
    va_end(again);
    return text;
}

const char *mq_format(const char *format, ...)
{
    va_list values;
    va_start(values, format);
    char *text = mq_vformat(format, values);
    va_end(values);
    return text;
}

/* How many bytes a character has that begins with this one; 0 of one that begins none. */
static size_t begun_by(unsigned char lead)
{
    if (lead < 0x80) {
        return 1;
    }
    if (lead < 0xc2 || lead > 0xf4) {
        return 0;
    }
    return lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
}

/* How many bytes the character has that begins here; 0 when they are no UTF-8. A zero byte ends
 * what is read. */
static size_t character(const unsigned char *at)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t size = begun_by(*at);
    if (size < 2) {
        return size;
    }
    uint32_t code = *at & (0x7fu >> size);
    for (size_t i = 1; i < size; i++) {
        if ((at[i] & 0xc0) != 0x80) {
            return 0;
        }
        code = code << 6 | (at[i] & 0x3fu);
    }
    bool surrogate = code >= 0xd800 && code < 0xe000;
    return code < least[size] || code > 0x10ffff || surrogate ? 0 : size;
}

job_handler_string_t mq_outward(const char *text)
{
    static const char instead[] = "\xef\xbf\xbd";
    size_t length = strlen(text), size = 0;
    /* Each byte is replaced by three at the most. */
    char *out = mq_alloc(length * 3 + 1);
    for (size_t at = 0; at < length;) {
        size_t bytes = character((const unsigned char *)text + at);
        bool good = bytes > 0;
        size_t taken = good ? bytes : sizeof instead - 1;
        memcpy(out + size, good ? text + at : instead, taken);
        size += taken;
        at += good ? bytes : 1;
    }
    return (job_handler_string_t){(uint8_t *)out, size};
}

job_handler_option_string_t mq_outward_option(const char *text)
{
    if (text == NULL || *text == 0) {
        return (job_handler_option_string_t){.is_some = false};
    }
    return (job_handler_option_string_t){.is_some = true, .val = mq_outward(text)};
}

const char *mq_inward(job_handler_string_t text)
{
    return mq_copy(text.ptr, text.len);
}

mongoqueue_jobs_types_payload_t mq_outward_payload(mq_payload payload)
{
    return (mongoqueue_jobs_types_payload_t){
        .content_type = mq_outward(payload.content_type),
        .data = {(uint8_t *)mq_copy(payload.data, payload.size), payload.size},
    };
}

mq_payload mq_inward_payload(mongoqueue_jobs_types_payload_t payload)
{
    /* Its own memory, one byte longer: nobody else has it. */
    size_t size = payload.data.len;
    char *data = size > 0 ? realloc(payload.data.ptr, size + 1) : mq_alloc(1);
    if (data == NULL) {
        abort();
    }
    data[size] = 0;
    return (mq_payload){mq_inward(payload.content_type), data, size};
}
