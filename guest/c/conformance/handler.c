/* What every SDK does alike: the payload names the case. Tried by `tests/it/languages`. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mongoqueue/queue.h"

static mq_outcome retry(const mq_job *job)
{
    if (job->attempt == 1) {
        return mq_retry_after(2000, "busy", "later");
    }
    return mq_output("{\"attempt\": %u}", job->attempt);
}

static mq_outcome release_once(void)
{
    mq_payload saved;
    mq_error error = mq_saved(&saved);
    if (error == MQ_OK && saved.data != NULL) {
        return mq_output("{\"saved\": %s}", saved.data);
    }
    if (error == MQ_OK) {
        error = mq_save(mq_payload_of("{\"released\": true}"));
    }
    return error == MQ_OK ? mq_release(500) : mq_failed_by(error);
}

__attribute__((noinline)) static void inner(void)
{
    fputs("boom: the fuse\n", stderr);
    abort();
}

static mq_outcome progress(void)
{
    mq_error error = mq_progress(3, 10, "third");
    return error == MQ_OK ? mq_retry(NULL, "enough") : mq_failed_by(error);
}

static mq_outcome save(const mq_job *job)
{
    mq_payload saved;
    if (job->attempt == 1) {
        mq_error error = mq_save(mq_payload_of("{\"page\": %d}", 7));
        return error == MQ_OK ? mq_retry(NULL, "half way") : mq_failed_by(error);
    }
    mq_error error = mq_saved(&saved);
    return error == MQ_OK ? mq_output_payload(saved) : mq_failed_by(error);
}

static mq_outcome put(void)
{
    mq_queue next;
    const char *one;
    mq_put_result many[3];
    mq_job_info info;
    mq_stats stats;
    const mq_header header = {"from", "conformance"};
    const mq_put_options options = {
        .priority = 5, .max_attempts = 9, .headers = &header, .header_count = 1,
    };
    const mq_payload payloads[3] = {
        mq_payload_of("{\"n\": 2}"), mq_payload_of("{\"n\": 3}"), mq_payload_of("{\"n\": 4}"),
    };
    mq_error error = mq_queue_open("next", &next);
    if (error == MQ_OK) {
        error = mq_queue_put(next, mq_payload_of("{\"n\": 1}"), &options, &one);
    }
    if (error == MQ_OK) {
        error = mq_queue_put_many(next, payloads, 3, NULL, many);
    }
    if (error == MQ_OK) {
        error = mq_queue_get(next, one, &info);
    }
    if (error == MQ_OK) {
        error = mq_queue_stats(next, &stats);
    }
    if (error != MQ_OK) {
        return mq_failed_by(error);
    }
    mq_queue_close(next);
    return mq_output("{\"one\": %s, \"many\": [%s, %s, %s], \"ready\": %llu, \"status\": %s}",
                     mq_quoted(one), mq_quoted(many[0].id), mq_quoted(many[1].id),
                     mq_quoted(many[2].id), (unsigned long long)stats.ready,
                     mq_quoted(mq_status_name(info.status)));
}

static mq_outcome put_nowhere(void)
{
    mq_queue nowhere;
    mq_error error = mq_queue_open("elsewhere", &nowhere);
    return error == MQ_OK ? mq_done() : mq_failed_by(error);
}

static mq_outcome cancelled(void)
{
    while (!mq_is_cancelled()) {
        mq_error error = mq_heartbeat();
        if (error != MQ_OK) {
            return mq_failed_by(error);
        }
        usleep(10000);
    }
    return mq_output("{\"cancelled\": true}");
}

static mq_outcome big(mq_value payload)
{
    const char *text = mq_string(mq_get(payload, "text"), "");
    size_t size = strlen(text);
    char *reversed = calloc(size + 1, 1);
    for (size_t i = 0; i < size; i++) {
        reversed[i] = text[size - 1 - i];
    }
    return mq_output("%s", mq_quoted(reversed));
}

static mq_outcome lines(void)
{
    mq_log(MQ_INFO, "one");
    mq_log(MQ_WARN, "%s", "two");
    puts("three");
    return mq_done();
}

static mq_outcome attempt(const mq_job *job)
{
    /* Milliseconds of a year of 365.2425 days. */
    unsigned long long year = 1970 + job->created_at / 31556952000;
    return mq_output("{\"id\": %s, \"queue\": %s, \"attempt\": %u, \"max\": %u, \"year\": %llu, "
                     "\"header\": %s, \"last\": %s}",
                     mq_quoted(job->id), mq_quoted(job->queue), job->attempt, job->max_attempts,
                     year, mq_quoted(mq_header_of(job, "from")),
                     mq_is_last_attempt(job) ? "true" : "false");
}

mq_outcome mq_handle(const mq_job *job)
{
    mq_value payload = mq_json(job);
    const char *name = mq_string(mq_get(payload, "case"), "");
    if (mq_type_of(payload) == MQ_NONE) {
        return mq_output_payload(job->payload);
    }
#define CASE(is) if (strcmp(name, is) == 0)
    CASE("echo") return mq_output("%s", mq_raw(mq_get(payload, "value")));
    CASE("nothing") return mq_done();
    CASE("retry") return retry(job);
    CASE("reject") return mq_reject("bad-input", "never");
    CASE("release") return release_once();
    CASE("throw") inner();
    CASE("progress") return progress();
    CASE("save") return save(job);
    CASE("put") return put();
    CASE("put-nowhere") return put_nowhere();
    CASE("cancelled") return cancelled();
    CASE("big") return big(payload);
    CASE("log") return lines();
    CASE("remaining") return mq_output("%llu", (unsigned long long)mq_remaining());
    CASE("attempt") return attempt(job);
    return mq_reject(NULL, "no case %s", mq_quoted(name));
}
