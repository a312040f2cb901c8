/*
 * The SDK for job handlers in C: what a handler takes, returns, and says about its job.
 *
 *     mq_outcome mq_handle(const mq_job *job)
 *     {
 *         const char *name = mq_string(mq_get(mq_json(job), "name"), "you");
 *         return mq_output("{\"greeting\": %s}", mq_quoted(mq_format("Hello, %s!", name)));
 *     }
 *
 * Puts are in queue.h, what JSON holds in json.h.
 *
 * Text ends with a zero byte, here and there; what isn't UTF-8 in it goes out as U+FFFD. Times are
 * in milliseconds. Nothing of what a function answers has to be freed: each attempt has an instance
 * of its own, whose memory ends with it. Out of memory is the end of the attempt.
 */
#ifndef MONGOQUEUE_GUEST_H
#define MONGOQUEUE_GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "json.h"

#define MQ_PRINTF(at, first) __attribute__((format(printf, at, first)))

/* Bytes and what they are. */
typedef struct mq_payload {
    const char *content_type; /* a media type; application/json is stored as a document */
    const char *data;         /* one that the host gave has a zero byte behind its last */
    size_t size;
} mq_payload;

/* A small text beside a payload. */
typedef struct mq_header {
    const char *name, *value;
} mq_header;

/* One attempt at one job. */
typedef struct mq_job {
    const char *id;    /* the same in every attempt: makes a repeated effect recognisable */
    const char *queue; /* by the name that this component knows it by */
    mq_payload payload;
    const mq_header *headers; /* in the order of the put */
    size_t header_count;
    uint32_t attempt;      /* 1 on the first try */
    uint32_t max_attempts; /* the attempt after whose failure the job is dead */
    uint64_t created_at;   /* when it was put: milliseconds since 1970, by the database's clock */
} mq_job;

/* The payload, when it is JSON; else a value that is none. What JSON doesn't have comes as Extended
 * JSON: {"$date": "2027-01-31T09:30:00Z"}. */
mq_value mq_json(const mq_job *job);

/* The value of the first header of this name, or NULL; case matters. */
const char *mq_header_of(const mq_job *job, const char *name);

/* Whether a failure of this attempt makes the job dead. */
bool mq_is_last_attempt(const mq_job *job);

typedef enum mq_ending {
    MQ_COMPLETED,
    MQ_RETRY,       /* again by the job's own back-off, while attempts are left */
    MQ_RETRY_AFTER, /* the same, but not before `delay` from now */
    MQ_RELEASE,     /* back on the queue, due after `delay`, without counting an attempt */
    MQ_REJECT       /* never again: to the dead jobs */
} mq_ending;

/* How an attempt ends. Made by the functions below. */
typedef struct mq_outcome {
    mq_ending ending;
    mq_payload output;   /* no output when its data is NULL */
    uint64_t delay;      /* milliseconds */
    const char *code;    /* a short stable name for programs, for example smtp-550; or NULL */
    const char *message; /* for people */
} mq_outcome;

/* The handler. The program defines it; it is called once, with the instance's only job. */
mq_outcome mq_handle(const mq_job *job);

/* Completes the job, without an output. */
mq_outcome mq_done(void);

/* Completes the job; the output is JSON, written as by printf. Texts in it go through mq_quoted. */
mq_outcome mq_output(const char *format, ...) MQ_PRINTF(1, 2);

/* Completes the job; the output is as it stands. */
mq_outcome mq_output_payload(mq_payload output);

/* Fail the attempt, by what mq_ending says. The code may be NULL, the message is as by printf. */
mq_outcome mq_retry(const char *code, const char *format, ...) MQ_PRINTF(2, 3);
mq_outcome mq_retry_after(uint64_t delay, const char *code, const char *format, ...)
    MQ_PRINTF(3, 4);
mq_outcome mq_reject(const char *code, const char *format, ...) MQ_PRINTF(2, 3);

/* Puts the job back, due after the delay, without counting an attempt. */
mq_outcome mq_release(uint64_t delay);

/* What the host answers when it doesn't do what it is asked. */
typedef enum mq_error {
    MQ_OK,
    MQ_ACCESS_DENIED,    /* not granted to this component */
    MQ_LIMIT_EXCEEDED,   /* bytes, count or rate */
    MQ_INVALID_ARGUMENT, /* can never be right */
    MQ_DUPLICATE,        /* a live job has the unique key already */
    MQ_NO_SUCH_JOB,      /* or none that this component may see */
    MQ_LEASE_LOST,       /* the job is another worker's by now: stop */
    MQ_UNAVAILABLE,      /* no answer: it may have happened or not */
    MQ_OTHER
} mq_error;

/* Its name, as in the contract: "access-denied". */
const char *mq_error_name(mq_error error);

/* What the host said to the last call that failed. Of MQ_DUPLICATE it is the other job's id. */
const char *mq_error_words(void);

/* Fails the attempt by an answer of the host: to be tried again, its name as the code. */
mq_outcome mq_failed_by(mq_error error);

/* Says how far the work is, and extends the lease. Count and total are in the handler's own unit;
 * a total of 0 is not known, a note may be NULL. */
mq_error mq_progress(uint64_t count, uint64_t total, const char *note);

/* Saves state for a later attempt, in place of what was saved before. */
mq_error mq_save(mq_payload state);

/* What was last saved, in this attempt or an earlier one; its data is NULL when nothing was. */
mq_error mq_saved(mq_payload *state);

/* Extends the lease. The host does so by itself; also the cheap way to ask whether it is lost. */
mq_error mq_heartbeat(void);

/* Milliseconds left before the host cuts this attempt off. */
uint64_t mq_remaining(void);

/* Somebody asked for the job to be cancelled, or the host is shutting down: return soon. */
bool mq_is_cancelled(void);

typedef enum mq_level { MQ_DEBUG, MQ_INFO, MQ_WARN, MQ_ERROR } mq_level;

/* A line for the job's own log. What is printed goes there too, without a level. */
void mq_log(mq_level level, const char *format, ...) MQ_PRINTF(2, 3);

/* A payload of JSON, written as by printf. */
mq_payload mq_payload_of(const char *format, ...) MQ_PRINTF(1, 2);

/* Text, written as by printf. */
const char *mq_format(const char *format, ...) MQ_PRINTF(1, 2);

#endif
