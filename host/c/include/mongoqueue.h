/*
 * libmongoqueue: a durable job queue in a MongoDB collection, and the sandbox for its handlers.
 *
 * Every function but mq_error and mq_version answers a code; below 0 it did not do what it was
 * asked, and mq_error has the words. Every function may be called from any thread, and blocks it.
 *
 * A handle is a number, never given twice: one that is freed, settled, or never was, is answered by
 * MQ_HANDLE, one of another kind by MQ_KIND. Each is freed with mq_free. A handle that a call gives
 * is set to 0 first. Text is UTF-8 that ends with a NUL; options are JSON or NULL.
 *
 * After fork only the parent may call: a child is answered by MQ_FORKED, with nothing else touched,
 * unless its parent had not called the library. exec is fine.
 */
#ifndef MONGOQUEUE_H
#define MONGOQUEUE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef uint64_t mq_handle;

enum mq_code {
    MQ_OK = 0,
    MQ_NONE = 1,                /* no job is due */
    MQ_NULL = -1,               /* a null pointer where there may be none */
    MQ_HANDLE = -2,             /* a handle that is closed, settled, or was never given */
    MQ_KIND = -3,               /* a handle of another kind */
    MQ_FORKED = -4,             /* called in a child of fork */
    MQ_PANIC = -5,              /* a bug of the library */
    MQ_TOO_SMALL = -6,          /* the buffer; the length says what is needed */
    MQ_INVALID = -7,            /* an argument that can never be right */
    MQ_TOO_LARGE = -8,          /* above a limit of the queue */
    MQ_DUPLICATE = -9,          /* a live job has the unique key */
    MQ_NO_SUCH_JOB = -10,
    MQ_LEASE_LOST = -11,        /* the job is somebody else's: stop */
    MQ_NOT_READY = -12,         /* a server or collection that is not one for the queue */
    MQ_NOT_ALLOWED = -13,       /* the user of the URI may not */
    MQ_UNREACHABLE = -14,       /* nothing was written; try again */
    MQ_MAY_HAVE_HAPPENED = -15, /* sent and not answered: put again with an id, or look */
    MQ_REFUSED = -16,           /* the component can't be run, or threads can't be started */
    MQ_DATABASE = -17           /* any other answer of the database */
};

/* For mq_fail, in place of a time. */
#define MQ_RETRY (-1)  /* by the job's back-off, while attempts are left */
#define MQ_REJECT (-2) /* never again */

/* Makes the collection and its indexes where they are missing.
 * Options: database, collection, consumer. */
int32_t mq_connect(const char *uri, const char *options, mq_handle *connection);

int32_t mq_queue(mq_handle connection, const char *name, mq_handle *queue);

/* Puts a job. The receipt is a result: {"id": text, "created": bool}.
 * Options: content_type (application/json), id, priority, delay_ms, max_attempts, timeout_ms,
 * retain_ms, unique_key, headers (an object of texts). */
int32_t mq_put(mq_handle queue, const uint8_t *data, size_t length, const char *options,
               mq_handle *receipt);

/* Puts several: jobs is a JSON list of {"payload": any, "options": as of mq_put}. The receipts are
 * a list in the same order; one that was not put is {"code": number, "error": text}. */
int32_t mq_put_many(mq_handle queue, const char *jobs, mq_handle *receipts);

/* Claims the next job that is due, waiting up to wait_ms; MQ_NONE where none came. The lease lasts
 * lease_ms, or the time-out of the job where that is 0; mq_heartbeat renews it. A lease that is
 * closed without being settled goes back to the queue. */
int32_t mq_next(mq_handle queue, uint64_t wait_ms, uint64_t lease_ms, mq_handle *lease);

/* The claimed job, as a result: {"id", "queue", "state", "payload", "content_type", "headers",
 * "attempt", "max_attempts", "output", "error"}. */
int32_t mq_job(mq_handle lease, mq_handle *job);

/* The bytes of its payload, as a result. */
int32_t mq_payload(mq_handle lease, mq_handle *payload);

int32_t mq_heartbeat(mq_handle lease);

/* These three take the lease away, unless an argument is at fault (MQ_NULL, MQ_INVALID). Where the
 * database fails, or the output is too large, the job goes back to the queue. */

/* No output where length is 0 and content_type is NULL; else NULL stands for application/json. */
int32_t mq_complete(mq_handle lease, const uint8_t *output, size_t length,
                    const char *content_type);

/* The code may be NULL. retry_ms is the least time to the next attempt, MQ_RETRY or MQ_REJECT. */
int32_t mq_fail(mq_handle lease, const char *message, const char *code, int64_t retry_ms);

/* Puts the job back, due after delay_ms, without counting an attempt. */
int32_t mq_release(mq_handle lease, uint64_t delay_ms);

/* The job as it is now, as of mq_job. */
int32_t mq_get(mq_handle queue, const char *id, mq_handle *job);

/* {"scheduled", "ready", "running", "completed", "dead", "cancelled"}, as a result. */
int32_t mq_stats(mq_handle queue, mq_handle *stats);

/* Works the queue with a component until its connection is stopped, or until the queue is empty.
 * The summary is a result: {"completed", "failed", "dead", "released", "handed_back", "lost",
 * "unknown"}. Options: slots, until_empty (false), grants (an object: the name that the component
 * knows a queue by, and the queue), memory_bytes, cache (a folder for compiled code). */
int32_t mq_run(mq_handle queue, const char *component, const char *options, mq_handle *summary);

/* Every mq_run of the connection stops, now and from now on: what runs is finished. */
int32_t mq_stop(mq_handle connection);

/* Copies a result. Its length is always set; with a NULL buffer and capacity 0 that is all. */
int32_t mq_read(mq_handle result, char *buffer, size_t capacity, size_t *length);

/* Closing a connection stops its runs; its queues and leases stay usable. */
int32_t mq_free(mq_handle handle);

/* The words of this thread's last call, empty where it did what it was asked. At most capacity
 * bytes with the NUL at their end; answers the length of all of them without it. */
size_t mq_error(char *buffer, size_t capacity);

/* Such as "0.1.0"; never freed. */
const char *mq_version(void);

#ifdef __cplusplus
}
#endif

#endif
