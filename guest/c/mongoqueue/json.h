/*
 * JSON: what a payload holds, and texts for one that is written.
 *
 * Whatever is asked of a value that is none, or is of another type, is answered by "none" or by
 * what the caller gave for that: mq_integer(mq_get(mq_get(value, "size"), "width"), 640).
 */
#ifndef MONGOQUEUE_JSON_H
#define MONGOQUEUE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A value in a document; all zeros is none. */
typedef struct mq_value {
    const struct mq_document *document;
    int token;
} mq_value;

typedef enum mq_type {
    MQ_NONE,
    MQ_NULL,
    MQ_BOOL,
    MQ_NUMBER,
    MQ_STRING,
    MQ_ARRAY,
    MQ_OBJECT
} mq_type;

/* Reads JSON; the text has to stay. None when it is no JSON. */
mq_value mq_parse(const char *text, size_t size);

mq_type mq_type_of(mq_value value);

/* The object's member of this name. */
mq_value mq_get(mq_value object, const char *name);

/* Of an array the first item, of an object the value of its first member. */
mq_value mq_first(mq_value value);

/* What comes behind an item, or behind a member's value, in the same array or object. */
mq_value mq_next(mq_value item);

/* Of a member's value the member's name; NULL of what is none. */
const char *mq_name_of(mq_value value);

/* How many items or members it has. */
size_t mq_count(mq_value value);

/* The text in UTF-8. A zero character is none that C can hold: `otherwise`. */
const char *mq_string(mq_value value, const char *otherwise);

double mq_number(mq_value value, double otherwise);

/* A whole number that fits. */
int64_t mq_integer(mq_value value, int64_t otherwise);

bool mq_bool(mq_value value, bool otherwise);

/* The value as it stands in the document, to write it elsewhere; of none "null". */
const char *mq_raw(mq_value value);

/* The text as JSON has it, with its quotes; of NULL "null". */
const char *mq_quoted(const char *text);

#endif
