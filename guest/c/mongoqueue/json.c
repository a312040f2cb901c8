/* JSON: read through jsmn's tokens, and quoted. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#if !__has_include(<jsmn.h>)
#error "jsmn.h is missing; on Debian and Ubuntu: sudo apt-get install libjsmn-dev"
#endif

/* Links to parents: or else the time to read would grow by the square of a list's length. */
#define JSMN_PARENT_LINKS
#define JSMN_STATIC
#include <jsmn.h>

#include "inside.h"

struct mq_document {
    const char *text;
    int count;
    jsmntok_t tokens[];
};

static const mq_value NONE;

mq_value mq_parse(const char *text, size_t size)
{
    jsmn_parser parser;
    jsmn_init(&parser);
    int count = jsmn_parse(&parser, text, size, NULL, 0);
    if (count < 1) {
        return NONE;
    }
    size_t bytes = (size_t)count * sizeof(jsmntok_t);
    struct mq_document *document = mq_alloc(sizeof *document + bytes);
    document->text = text;
    jsmn_init(&parser);
    document->count = jsmn_parse(&parser, text, size, document->tokens, (unsigned)count);
    return document->count == count ? (mq_value){document, 0} : NONE;
}

/* NULL of none. */
static const jsmntok_t *token(mq_value value)
{
    return value.document == NULL ? NULL : &value.document->tokens[value.token];
}

static const char *start(mq_value value)
{
    return value.document->text + token(value)->start;
}

static size_t length(mq_value value)
{
    return (size_t)(token(value)->end - token(value)->start);
}

mq_type mq_type_of(mq_value value)
{
    if (value.document == NULL) {
        return MQ_NONE;
    }
    switch (token(value)->type) {
    case JSMN_OBJECT:
        return MQ_OBJECT;
    case JSMN_ARRAY:
        return MQ_ARRAY;
    case JSMN_STRING:
        return MQ_STRING;
    default:
        break;
    }
    switch (*start(value)) {
    case 'n':
        return MQ_NULL;
    case 't':
    case 'f':
        return MQ_BOOL;
    default:
        return MQ_NUMBER;
    }
}

static mq_value at(mq_value value, int place)
{
    return place < value.document->count ? (mq_value){value.document, place} : NONE;
}

/* The value that a token begins: its own, or of a member's name, which has one, what follows. */
static mq_value begun_by(mq_value first)
{
    const jsmntok_t *its = token(first);
    bool is_name = its != NULL && its->type == JSMN_STRING && its->size == 1;
    return is_name ? at(first, first.token + 1) : first;
}

/* The token that is the member's name; none of what is no member's value. */
static mq_value name_of(mq_value value)
{
    int parent = value.document == NULL ? -1 : token(value)->parent;
    mq_value name = parent < 0 ? NONE : at(value, parent);
    return name.document != NULL && token(name)->type == JSMN_STRING ? name : NONE;
}

size_t mq_count(mq_value value)
{
    mq_type type = mq_type_of(value);
    return type == MQ_ARRAY || type == MQ_OBJECT ? (size_t)token(value)->size : 0;
}

mq_value mq_first(mq_value value)
{
    return mq_count(value) > 0 ? begun_by(at(value, value.token + 1)) : NONE;
}

mq_value mq_next(mq_value item)
{
    mq_value name = name_of(item), from = name.document != NULL ? name : item;
    if (from.document == NULL) {
        return NONE;
    }
    /* Past all that is in it. */
    int end = token(item)->end, next = item.token + 1;
    while (next < item.document->count && item.document->tokens[next].start < end) {
        next++;
    }
    mq_value behind = at(item, next);
    bool beside = behind.document != NULL && token(behind)->parent == token(from)->parent;
    return beside ? begun_by(behind) : NONE;
}

const char *mq_name_of(mq_value value)
{
    return mq_string(name_of(value), NULL);
}

mq_value mq_get(mq_value object, const char *name)
{
    if (mq_type_of(object) != MQ_OBJECT) {
        return NONE;
    }
    mq_value value = mq_first(object);
    while (value.document != NULL) {
        const char *its = mq_name_of(value);
        if (its != NULL && strcmp(its, name) == 0) {
            break;
        }
        value = mq_next(value);
    }
    return value;
}

/* Four digits in hexadecimal. */
static uint32_t unit(const char *digits)
{
    char four[5] = {0};
    memcpy(four, digits, 4);
    return (uint32_t)strtoul(four, NULL, 16);
}

static char *encode(char *out, uint32_t code)
{
    if (code < 0x80) {
        *out++ = (char)code;
        return out;
    }
    int more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    static const unsigned char lead[] = {0, 0xc0, 0xe0, 0xf0};
    *out++ = (char)(lead[more] | code >> (6 * more));
    while (more-- > 0) {
        *out++ = (char)(0x80 | (code >> (6 * more) & 0x3f));
    }
    return out;
}

/* Reads the \u at `in`, and the one behind it when the two are one character. */
static const char *escaped(const char *in, const char *end, uint32_t *code)
{
    *code = unit(in + 2);
    in += 6;
    bool high = *code >= 0xd800 && *code < 0xdc00;
    if (high && end - in >= 6 && in[0] == '\\' && in[1] == 'u') {
        uint32_t low = unit(in + 2);
        if (low >= 0xdc00 && low < 0xe000) {
            *code = 0x10000 + ((*code - 0xd800) << 10) + (low - 0xdc00);
            return in + 6;
        }
    }
    if (*code >= 0xd800 && *code < 0xe000) {
        *code = 0xfffd;
    }
    return in;
}

const char *mq_string(mq_value value, const char *otherwise)
{
    if (mq_type_of(value) != MQ_STRING) {
        return otherwise;
    }
    static const char letters[] = "bfnrt", meant[] = "\b\f\n\r\t";
    const char *in = start(value), *end = in + length(value);
    /* Never longer than it is written. */
    char *text = mq_alloc(length(value) + 1), *out = text;
    while (in < end) {
        /* jsmn has seen that something follows, and four digits where it is a `u`. */
        if (*in != '\\') {
            *out++ = *in++;
        } else if (in[1] == 'u') {
            uint32_t code;
            in = escaped(in, end, &code);
            if (code == 0) {
                return otherwise;
            }
            out = encode(out, code);
        } else {
            const char *letter = strchr(letters, in[1]);
            *out++ = letter != NULL ? meant[letter - letters] : in[1];
            in += 2;
        }
    }
    *out = 0;
    return text;
}

const char *mq_raw(mq_value value)
{
    if (value.document == NULL) {
        return "null";
    }
    /* A text's token is without its quotes. */
    size_t quotes = mq_type_of(value) == MQ_STRING ? 1 : 0;
    return mq_copy(start(value) - quotes, length(value) + 2 * quotes);
}

double mq_number(mq_value value, double otherwise)
{
    if (mq_type_of(value) != MQ_NUMBER) {
        return otherwise;
    }
    char *end;
    const char *text = mq_raw(value);
    double number = strtod(text, &end);
    return *end == 0 ? number : otherwise;
}

int64_t mq_integer(mq_value value, int64_t otherwise)
{
    if (mq_type_of(value) != MQ_NUMBER) {
        return otherwise;
    }
    char *end;
    const char *text = mq_raw(value);
    errno = 0;
    long long number = strtoll(text, &end, 10);
    return *end == 0 && errno == 0 ? number : otherwise;
}

bool mq_bool(mq_value value, bool otherwise)
{
    return mq_type_of(value) == MQ_BOOL ? *start(value) == 't' : otherwise;
}

const char *mq_quoted(const char *text)
{
    if (text == NULL) {
        return "null";
    }
    static const char digits[] = "0123456789abcdef";
    /* Each byte is written as six at the most. */
    char *quoted = mq_alloc(strlen(text) * 6 + 3), *out = quoted;
    *out++ = '"';
    for (const unsigned char *at = (const unsigned char *)text; *at != 0; at++) {
        if (*at == '"' || *at == '\\') {
            *out++ = '\\';
            *out++ = (char)*at;
        } else if (*at < 0x20) {
            memcpy(out, "\\u00", 4);
            out[4] = digits[*at >> 4];
            out[5] = digits[*at & 0xf];
            out += 6;
        } else {
            *out++ = (char)*at;
        }
    }
    *out++ = '"';
    *out = 0;
    return quoted;
}
