/* The attempt: the handler's function, its job and what it says about it. */
#include <stdlib.h>
#include <string.h>

#include "inside.h"

static const char JSON[] = "application/json";

mq_value mq_json(const mq_job *job)
{
    const mq_payload *payload = &job->payload;
    bool is_json = strcmp(payload->content_type, JSON) == 0;
    return is_json ? mq_parse(payload->data, payload->size) : (mq_value){NULL, 0};
}

const char *mq_header_of(const mq_job *job, const char *name)
{
    for (size_t i = 0; i < job->header_count; i++) {
        if (strcmp(job->headers[i].name, name) == 0) {
            return job->headers[i].value;
        }
    }
    return NULL;
}

bool mq_is_last_attempt(const mq_job *job)
{
    return job->attempt >= job->max_attempts;
}

static mq_payload json(const char *text)
{
    return (mq_payload){JSON, text, strlen(text)};
}

mq_payload mq_payload_of(const char *format, ...)
{
    va_list values;
    va_start(values, format);
    const char *text = mq_vformat(format, values);
    va_end(values);
    return json(text);
}

mq_outcome mq_done(void)
{
    return (mq_outcome){.ending = MQ_COMPLETED};
}

mq_outcome mq_output_payload(mq_payload output)
{
    return (mq_outcome){.ending = MQ_COMPLETED, .output = output};
}

mq_outcome mq_output(const char *format, ...)
{
    va_list values;
    va_start(values, format);
    const char *text = mq_vformat(format, values);
    va_end(values);
    return mq_output_payload(json(text));
}

static mq_outcome failed(mq_ending ending, uint64_t delay, const char *code, const char *message)
{
    return (mq_outcome){.ending = ending, .delay = delay, .code = code, .message = message};
}

mq_outcome mq_retry(const char *code, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    const char *message = mq_vformat(format, values);
    va_end(values);
    return failed(MQ_RETRY, 0, code, message);
}

mq_outcome mq_retry_after(uint64_t delay, const char *code, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    const char *message = mq_vformat(format, values);
    va_end(values);
    return failed(MQ_RETRY_AFTER, delay, code, message);
}

mq_outcome mq_reject(const char *code, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    const char *message = mq_vformat(format, values);
    va_end(values);
    return failed(MQ_REJECT, 0, code, message);
}

mq_outcome mq_release(uint64_t delay)
{
    return failed(MQ_RELEASE, delay, NULL, "released by the handler");
}

static const char *last_words = "";

mq_error mq_answered(bool done, const mongoqueue_jobs_types_error_t *error)
{
    if (done) {
        return MQ_OK;
    }
    switch (error->tag) {
    case MONGOQUEUE_JOBS_TYPES_ERROR_ACCESS_DENIED:
        last_words = "the host grants no queue of this name";
        return MQ_ACCESS_DENIED;
    case MONGOQUEUE_JOBS_TYPES_ERROR_LIMIT_EXCEEDED:
        last_words = mq_inward(error->val.limit_exceeded);
        return MQ_LIMIT_EXCEEDED;
    case MONGOQUEUE_JOBS_TYPES_ERROR_INVALID_ARGUMENT:
        last_words = mq_inward(error->val.invalid_argument);
        return MQ_INVALID_ARGUMENT;
    case MONGOQUEUE_JOBS_TYPES_ERROR_DUPLICATE:
        last_words = mq_inward(error->val.duplicate);
        return MQ_DUPLICATE;
    case MONGOQUEUE_JOBS_TYPES_ERROR_NO_SUCH_JOB:
        last_words = "no such job";
        return MQ_NO_SUCH_JOB;
    case MONGOQUEUE_JOBS_TYPES_ERROR_LEASE_LOST:
        last_words = "the lease on the job is lost";
        return MQ_LEASE_LOST;
    case MONGOQUEUE_JOBS_TYPES_ERROR_UNAVAILABLE:
        last_words = mq_inward(error->val.unavailable);
        return MQ_UNAVAILABLE;
    default:
        last_words = mq_inward(error->val.other);
        return MQ_OTHER;
    }
}

const char *mq_error_name(mq_error error)
{
    static const char *const names[] = {
        "ok", "access-denied", "limit-exceeded", "invalid-argument", "duplicate", "no-such-job",
        "lease-lost", "unavailable", "other",
    };
    return (unsigned)error < sizeof names / sizeof *names ? names[error] : "other";
}

const char *mq_error_words(void)
{
    return last_words;
}

mq_outcome mq_failed_by(mq_error error)
{
    return mq_retry(mq_error_name(error), "%s", last_words);
}

mq_error mq_progress(uint64_t count, uint64_t total, const char *note)
{
    mongoqueue_jobs_types_progress_t progress = {
        .count = count,
        .total = {.is_some = total > 0, .val = total},
        .note = mq_outward_option(note),
    };
    mongoqueue_jobs_types_error_t error;
    return mq_answered(mongoqueue_jobs_context_report(&progress, &error), &error);
}

mq_error mq_save(mq_payload state)
{
    mongoqueue_jobs_types_payload_t saved = mq_outward_payload(state);
    mongoqueue_jobs_types_error_t error;
    return mq_answered(mongoqueue_jobs_context_save(&saved, &error), &error);
}

mq_error mq_saved(mq_payload *state)
{
    *state = (mq_payload){0};
    mongoqueue_jobs_context_option_payload_t saved;
    mongoqueue_jobs_types_error_t error;
    bool done = mongoqueue_jobs_context_saved(&saved, &error);
    if (done && saved.is_some) {
        *state = mq_inward_payload(saved.val);
    }
    return mq_answered(done, &error);
}

mq_error mq_heartbeat(void)
{
    mongoqueue_jobs_types_error_t error;
    return mq_answered(mongoqueue_jobs_context_heartbeat(&error), &error);
}

uint64_t mq_remaining(void)
{
    return mongoqueue_jobs_context_remaining();
}

bool mq_is_cancelled(void)
{
    return mongoqueue_jobs_context_is_cancelled();
}

void mq_log(mq_level level, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    char *text = mq_vformat(format, values);
    va_end(values);
    job_handler_string_t line = mq_outward(text);
    mongoqueue_jobs_log_write((mongoqueue_jobs_log_level_t)level, &line);
    free(line.ptr);
    free(text);
}

static mq_job job_of(exports_mongoqueue_jobs_handler_job_t *given)
{
    size_t count = given->headers.len;
    mq_header *headers = mq_alloc(count * sizeof *headers);
    for (size_t i = 0; i < count; i++) {
        headers[i].name = mq_inward(given->headers.ptr[i].f0);
        headers[i].value = mq_inward(given->headers.ptr[i].f1);
    }
    return (mq_job){
        .id = mq_inward(given->id),
        .queue = mq_inward(given->queue),
        .payload = mq_inward_payload(given->payload),
        .headers = headers,
        .header_count = count,
        .attempt = given->attempt,
        .max_attempts = given->max_attempts,
        .created_at = given->created_at,
    };
}

static mongoqueue_jobs_types_disposition_t disposition(const mq_outcome *outcome)
{
    mongoqueue_jobs_types_disposition_t is = {.tag = MONGOQUEUE_JOBS_TYPES_DISPOSITION_RETRY};
    switch (outcome->ending) {
    case MQ_RETRY_AFTER:
        is.tag = MONGOQUEUE_JOBS_TYPES_DISPOSITION_RETRY_AFTER;
        is.val.retry_after = outcome->delay;
        break;
    case MQ_RELEASE:
        is.tag = MONGOQUEUE_JOBS_TYPES_DISPOSITION_RELEASE;
        is.val.release = outcome->delay;
        break;
    case MQ_REJECT:
        is.tag = MONGOQUEUE_JOBS_TYPES_DISPOSITION_REJECT;
        break;
    default:
        break;
    }
    return is;
}

/* What the component exports. What it answers is freed afterwards, so all of that are copies. */
bool exports_mongoqueue_jobs_handler_handle(
    exports_mongoqueue_jobs_handler_job_t *given,
    exports_mongoqueue_jobs_handler_option_payload_t *output,
    exports_mongoqueue_jobs_handler_failure_t *failure)
{
    mq_job job = job_of(given);
    mq_outcome outcome = mq_handle(&job);
    if (outcome.ending == MQ_COMPLETED) {
        output->is_some = outcome.output.data != NULL;
        if (output->is_some) {
            output->val = mq_outward_payload(outcome.output);
        }
        return true;
    }
    failure->message = mq_outward(outcome.message);
    failure->code = mq_outward_option(outcome.code);
    failure->disposition = disposition(&outcome);
    return false;
}
