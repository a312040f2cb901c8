/* What json.h promises, of JSON and of what is none. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "mongoqueue/testing.h"

static mq_value parse(const char *text)
{
    return mq_parse(text, strlen(text));
}

static void texts(void)
{
    const struct {
        const char *json, *text;
    } cases[] = {
        {"\"\"", ""},
        {"\"plain\"", "plain"},
        {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t"},
        {"\"Zo\\u00eb Zo\xc3\xab\"", "Zo\xc3\xab Zo\xc3\xab"},
        {"\"\\u20ac\"", "\xe2\x82\xac"},
        {"\"\\ud83c\\udf88\"", "\xf0\x9f\x8e\x88"},
        /* Halves of a character that are alone. */
        {"\"\\ud83c\"", "\xef\xbf\xbd"},
        {"\"\\udf88x\"", "\xef\xbf\xbdx"},
        {"\"\\ud83c\\u0041\"", "\xef\xbf\xbd" "A"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert(strcmp(mq_string(parse(cases[i].json), "?"), cases[i].text) == 0);
        const char *again = mq_quoted(cases[i].text);
        assert(strcmp(mq_string(parse(again), "?"), cases[i].text) == 0);
    }
    assert(strcmp(mq_string(parse("\"a\\u0000b\""), "?"), "?") == 0);
    assert(strcmp(mq_quoted("\x01\x1f"), "\"\\u0001\\u001f\"") == 0);
    assert(strcmp(mq_quoted(NULL), "null") == 0);
}

static void numbers(void)
{
    assert(mq_integer(parse("[9223372036854775807]"), 0) == 0);
    mq_value list = parse("[9223372036854775807, 9223372036854775808, 1.5, -7, 1e3, true, false]");
    mq_value at = mq_first(list);
    assert(mq_count(list) == 7);
    assert(mq_integer(at, 0) == INT64_MAX);
    assert(mq_integer(at = mq_next(at), 5) == 5);
    assert(mq_integer(at = mq_next(at), 5) == 5 && mq_number(at, 0) == 1.5);
    assert(mq_integer(at = mq_next(at), 0) == -7);
    assert(mq_number(at = mq_next(at), 0) == 1000);
    assert(mq_bool(at = mq_next(at), false) && mq_type_of(at) == MQ_BOOL);
    assert(!mq_bool(at = mq_next(at), true));
    assert(mq_type_of(mq_next(at)) == MQ_NONE);
}

static void members(void)
{
    const char *json = "{\"a\": {\"b\": [1, {\"c\": null}], \"x\": 1}, \"c\\u0061\": \"key\","
                       " \"\": 2}";
    mq_value object = parse(json);
    assert(mq_type_of(object) == MQ_OBJECT && mq_count(object) == 3);
    mq_value list = mq_get(mq_get(object, "a"), "b");
    assert(mq_type_of(list) == MQ_ARRAY && mq_count(list) == 2);
    assert(strcmp(mq_raw(list), "[1, {\"c\": null}]") == 0);
    assert(mq_type_of(mq_get(mq_next(mq_first(list)), "c")) == MQ_NULL);
    assert(strcmp(mq_raw(mq_get(object, "ca")), "\"key\"") == 0);
    assert(mq_integer(mq_get(object, ""), 0) == 2);
    /* In another object than was asked. */
    assert(mq_type_of(mq_get(object, "b")) == MQ_NONE);
    const char *names[] = {"a", "ca", ""};
    size_t place = 0;
    for (mq_value at = mq_first(object); mq_type_of(at) != MQ_NONE; at = mq_next(at)) {
        assert(strcmp(mq_name_of(at), names[place++]) == 0);
    }
    assert(place == 3);
    assert(mq_name_of(object) == NULL && mq_name_of(mq_first(list)) == NULL);
}

static void nothing(void)
{
    mq_value none = mq_get(parse("{}"), "a");
    assert(mq_type_of(none) == MQ_NONE && mq_count(none) == 0 && mq_name_of(none) == NULL);
    assert(mq_type_of(mq_get(none, "b")) == MQ_NONE);
    assert(mq_type_of(mq_first(none)) == MQ_NONE && mq_type_of(mq_next(none)) == MQ_NONE);
    assert(strcmp(mq_raw(none), "null") == 0 && mq_string(none, NULL) == NULL);
    assert(mq_integer(none, 3) == 3 && mq_number(none, 0.5) == 0.5 && mq_bool(none, true));
    assert(mq_type_of(mq_first(parse("[]"))) == MQ_NONE);
    assert(mq_type_of(mq_parse(NULL, 0)) == MQ_NONE);
}

/* Not in an order that JSON has: whatever it is taken for, no byte outside is read. */
static void junk(void)
{
    const char letters[] = "{}[]\",:\\u0d8n1-e. ";
    srand(1);
    for (int round = 0; round < 200000; round++) {
        size_t size = (size_t)rand() % 24;
        char *text = malloc(size + 1);
        for (size_t i = 0; i < size; i++) {
            text[i] = letters[(size_t)rand() % (sizeof letters - 1)];
        }
        mq_value value = mq_parse(text, size);
        for (mq_value at = mq_first(value); mq_type_of(at) != MQ_NONE; at = mq_next(at)) {
            mq_string(at, ""), mq_integer(at, 0), mq_number(at, 0), mq_raw(at), mq_name_of(at);
            mq_get(at, "n"), mq_first(at);
        }
        mq_raw(value), mq_get(value, "u"), mq_bool(value, false);
        free(text);
    }
}

/* Many items: no time by the square of their number. And more levels than any document of the
 * database has. */
static void large(void)
{
    enum { MANY = 200000, DEEP = 10000 };
    char *text = malloc(MANY * 8 + 2), *at = text;
    *at++ = '{';
    for (int i = 0; i < MANY; i++) {
        at = strcpy(at, i > 0 ? ",\"k\":[]" : "\"k\":[]") + (i > 0 ? 7 : 6);
    }
    strcpy(at, "}");
    size_t members = 0;
    mq_value value = mq_first(parse(text));
    for (; mq_type_of(value) != MQ_NONE; value = mq_next(value)) {
        members++;
    }
    assert(members == MANY);
    memset(text, '[', DEEP);
    memset(text + DEEP, ']', DEEP);
    assert(mq_count(mq_parse(text, 2 * (size_t)DEEP)) == 1);
    free(text);
}

void test_json(void)
{
    texts();
    numbers();
    members();
    nothing();
    junk();
    large();
}
