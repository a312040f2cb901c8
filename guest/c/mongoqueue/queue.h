/*
 * Puts on other queues, and looks at them. A component that calls these needs queues granted.
 */
#ifndef MONGOQUEUE_QUEUE_H
#define MONGOQUEUE_QUEUE_H

#include "guest.h"

/* A queue that the operator has bound for this component. */
typedef struct mq_queue {
    int32_t handle;
} mq_queue;

/* How a job is put; what is zero or NULL is left to the queue. */
typedef struct mq_put_options {
    int32_t priority;     /* higher first */
    uint64_t delay;       /* due this many milliseconds from now */
    uint64_t due;         /* due at this time, in milliseconds since 1970; the later one counts */
    uint32_t max_attempts;
    uint64_t timeout;     /* the longest that one attempt may take, in milliseconds */
    uint64_t backoff_first, backoff_max; /* milliseconds; exponential from the one to the other */
    const char *unique_key; /* at most one live job of the queue has it */
    const mq_header *headers;
    size_t header_count;
} mq_put_options;

/* What became of one of several puts. */
typedef struct mq_put_result {
    mq_error error;
    const char *id; /* the job's; NULL unless it was put */
} mq_put_result;

typedef enum mq_status {
    MQ_STATUS_SCHEDULED,
    MQ_STATUS_READY,
    MQ_STATUS_RUNNING,
    MQ_STATUS_COMPLETED,
    MQ_STATUS_DEAD,
    MQ_STATUS_CANCELLED
} mq_status;

typedef struct mq_job_info {
    const char *id;
    mq_status status;
    uint32_t attempt, max_attempts;
    uint64_t due;                      /* milliseconds since 1970 */
    bool has_progress;
    uint64_t count, total;             /* a total of 0 is not known */
    const char *note, *last_error;     /* or NULL */
} mq_job_info;

typedef struct mq_stats {
    uint64_t scheduled, ready, running, dead;
    uint64_t oldest_ready; /* age of the oldest ready job in milliseconds; 0 when there is none */
} mq_stats;

/* Opens the queue that is bound to the name for this component. */
mq_error mq_queue_open(const char *name, mq_queue *queue);

/* Puts a job. The options may be NULL; so may `id`, which becomes the new job's. */
mq_error mq_queue_put(mq_queue queue, mq_payload payload, const mq_put_options *options,
                      const char **id);

/* Puts several; each has a result of its own, in order. When the answer is not MQ_OK none of them
 * was looked at. */
mq_error mq_queue_put_many(mq_queue queue, const mq_payload *payloads, size_t count,
                           const mq_put_options *options, mq_put_result *results);

mq_error mq_queue_get(mq_queue queue, const char *id, mq_job_info *info);

/* Cancels a job that has not started, or asks a running one to stop; what it is now. */
mq_error mq_queue_cancel(mq_queue queue, const char *id, mq_status *status);

mq_error mq_queue_stats(mq_queue queue, mq_stats *stats);

/* Of its name: "ready". */
const char *mq_status_name(mq_status status);

void mq_queue_close(mq_queue queue);

#endif
