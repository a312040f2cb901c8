/*
 * A host for tests of a handler, without a database and without WebAssembly: a test is an ordinary
 * program that links the handler, the SDK and testing.c.
 *
 *     mq_outcome outcome = mq_handle(mq_test_job("{\"name\": \"Ada\"}"));
 *     assert(outcome.ending == MQ_COMPLETED);
 */
#ifndef MONGOQUEUE_TESTING_H
#define MONGOQUEUE_TESTING_H

#include "queue.h"

/* A job that the handler put. */
typedef struct mq_test_put {
    const char *queue;
    mq_payload payload;
    int32_t priority;
    uint64_t delay;         /* milliseconds */
    const char *unique_key; /* or NULL */
} mq_test_put;

/* What the handler said, and what it is told. */
typedef struct mq_test_host {
    /* Said. */
    size_t reports;            /* how often it reported progress; the last one: */
    uint64_t count, total;
    const char *note;          /* or NULL */
    mq_payload saved;          /* its data is NULL when nothing was */
    size_t lines;              /* how many it logged; the last one: */
    const char *line;
    const mq_test_put *puts;
    size_t put_count;
    /* Told. */
    const char *grants;        /* the names of queues that it may open, with spaces between */
    bool cancelled;
    uint64_t remaining;        /* milliseconds */
} mq_test_host;

extern mq_test_host mq_host;

/* Forgets everything. */
void mq_host_reset(void);

/* The first of three attempts at a job with this payload. Its fields may be changed. */
mq_job *mq_test_job(const char *json);

#endif
