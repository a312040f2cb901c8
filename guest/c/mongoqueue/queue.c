/* Puts on other queues, and looks at them. */
#include "queue.h"

#include <stdlib.h>

#include "inside.h"

typedef mongoqueue_jobs_types_error_t host_error;
typedef mongoqueue_jobs_queue_own_put_options_t own_options;
typedef mongoqueue_jobs_queue_borrow_put_options_t borrowed_options;

static mongoqueue_jobs_queue_borrow_queue_t borrowed(mq_queue queue)
{
    return mongoqueue_jobs_queue_borrow_queue(
        (mongoqueue_jobs_queue_own_queue_t){queue.handle});
}

mq_error mq_queue_open(const char *name, mq_queue *queue)
{
    job_handler_string_t text = mq_outward(name);
    mongoqueue_jobs_queue_own_queue_t opened = {0};
    host_error error;
    bool done = mongoqueue_jobs_queue_static_queue_open(&text, &opened, &error);
    queue->handle = opened.__handle;
    return mq_answered(done, &error);
}

void mq_queue_close(mq_queue queue)
{
    mongoqueue_jobs_queue_queue_drop_own((mongoqueue_jobs_queue_own_queue_t){queue.handle});
}

/* Sets what isn't left to the queue; false at the first that the host refuses. */
static bool set(borrowed_options to, const mq_put_options *from, host_error *error)
{
    if (from->priority != 0
        && !mongoqueue_jobs_queue_method_put_options_priority(to, from->priority, error)) {
        return false;
    }
    if (from->delay != 0
        && !mongoqueue_jobs_queue_method_put_options_delay(to, from->delay, error)) {
        return false;
    }
    if (from->due != 0 && !mongoqueue_jobs_queue_method_put_options_due(to, from->due, error)) {
        return false;
    }
    if (from->max_attempts != 0
        && !mongoqueue_jobs_queue_method_put_options_max_attempts(to, from->max_attempts, error)) {
        return false;
    }
    if (from->timeout != 0
        && !mongoqueue_jobs_queue_method_put_options_timeout(to, from->timeout, error)) {
        return false;
    }
    if ((from->backoff_first != 0 || from->backoff_max != 0)
        && !mongoqueue_jobs_queue_method_put_options_backoff(
            to, from->backoff_first, from->backoff_max, error)) {
        return false;
    }
    if (from->unique_key != NULL) {
        job_handler_string_t key = mq_outward(from->unique_key);
        if (!mongoqueue_jobs_queue_method_put_options_unique_key(to, &key, error)) {
            return false;
        }
    }
    for (size_t i = 0; i < from->header_count; i++) {
        job_handler_string_t name = mq_outward(from->headers[i].name);
        job_handler_string_t value = mq_outward(from->headers[i].value);
        if (!mongoqueue_jobs_queue_method_put_options_header(to, &name, &value, error)) {
            return false;
        }
    }
    return true;
}

/* Options as the host has them, for one call. */
struct lent {
    own_options own;
    borrowed_options borrowed;
    borrowed_options *given; /* NULL where all is left to the queue */
};

static void take_back(const struct lent *lent)
{
    if (lent->given != NULL) {
        mongoqueue_jobs_queue_put_options_drop_own(lent->own);
    }
}

static mq_error lend(const mq_put_options *from, struct lent *lent)
{
    lent->given = NULL;
    if (from == NULL) {
        return MQ_OK;
    }
    lent->own = mongoqueue_jobs_queue_constructor_put_options();
    lent->borrowed = mongoqueue_jobs_queue_borrow_put_options(lent->own);
    lent->given = &lent->borrowed;
    host_error error;
    mq_error answer = mq_answered(set(lent->borrowed, from, &error), &error);
    if (answer != MQ_OK) {
        take_back(lent);
    }
    return answer;
}

mq_error mq_queue_put(mq_queue queue, mq_payload payload, const mq_put_options *options,
                      const char **id)
{
    struct lent lent;
    mq_error answer = lend(options, &lent);
    if (answer != MQ_OK) {
        return answer;
    }
    mongoqueue_jobs_types_payload_t put = mq_outward_payload(payload);
    job_handler_string_t new_id;
    host_error error;
    bool done = mongoqueue_jobs_queue_method_queue_put(
        borrowed(queue), &put, lent.given, &new_id, &error);
    take_back(&lent);
    if (id != NULL) {
        *id = done ? mq_inward(new_id) : NULL;
    }
    return mq_answered(done, &error);
}

mq_error mq_queue_put_many(mq_queue queue, const mq_payload *payloads, size_t count,
                           const mq_put_options *options, mq_put_result *results)
{
    struct lent lent;
    mq_error answer = lend(options, &lent);
    if (answer != MQ_OK) {
        return answer;
    }
    mongoqueue_jobs_queue_list_payload_t put = {mq_alloc(count * sizeof *put.ptr), count};
    for (size_t i = 0; i < count; i++) {
        put.ptr[i] = mq_outward_payload(payloads[i]);
    }
    mongoqueue_jobs_queue_list_result_job_id_error_t answers = {NULL, 0};
    host_error error;
    bool done = mongoqueue_jobs_queue_method_queue_put_many(
        borrowed(queue), &put, lent.given, &answers, &error);
    take_back(&lent);
    for (size_t i = 0; done && i < count && i < answers.len; i++) {
        bool was_put = !answers.ptr[i].is_err;
        results[i].error = mq_answered(was_put, &answers.ptr[i].val.err);
        results[i].id = was_put ? mq_inward(answers.ptr[i].val.ok) : NULL;
    }
    return mq_answered(done, &error);
}

static const char *inward_option(job_handler_option_string_t text)
{
    return text.is_some ? mq_inward(text.val) : NULL;
}

mq_error mq_queue_get(mq_queue queue, const char *id, mq_job_info *info)
{
    job_handler_string_t text = mq_outward(id);
    mongoqueue_jobs_queue_job_info_t got;
    host_error error;
    bool done =
        mongoqueue_jobs_queue_method_queue_get(borrowed(queue), &text, &got, &error);
    *info = (mq_job_info){0};
    if (done) {
        const mongoqueue_jobs_types_progress_t *progress = &got.progress.val;
        bool has_progress = got.progress.is_some;
        *info = (mq_job_info){
            .id = mq_inward(got.id),
            .status = (mq_status)got.status,
            .attempt = got.attempt,
            .max_attempts = got.max_attempts,
            .due = got.due,
            .has_progress = has_progress,
            .count = has_progress ? progress->count : 0,
            .total = has_progress && progress->total.is_some ? progress->total.val : 0,
            .note = has_progress ? inward_option(progress->note) : NULL,
            .last_error = inward_option(got.last_error),
        };
    }
    return mq_answered(done, &error);
}

mq_error mq_queue_cancel(mq_queue queue, const char *id, mq_status *status)
{
    job_handler_string_t text = mq_outward(id);
    mongoqueue_jobs_types_status_t is = MONGOQUEUE_JOBS_TYPES_STATUS_SCHEDULED;
    host_error error;
    bool done =
        mongoqueue_jobs_queue_method_queue_cancel(borrowed(queue), &text, &is, &error);
    *status = (mq_status)is;
    return mq_answered(done, &error);
}

mq_error mq_queue_stats(mq_queue queue, mq_stats *stats)
{
    mongoqueue_jobs_queue_stats_t got;
    host_error error;
    bool done = mongoqueue_jobs_queue_method_queue_stats(borrowed(queue), &got, &error);
    *stats = (mq_stats){0};
    if (done) {
        *stats = (mq_stats){
            .scheduled = got.scheduled,
            .ready = got.ready,
            .running = got.running,
            .dead = got.dead,
            .oldest_ready = got.oldest_ready.is_some ? got.oldest_ready.val : 0,
        };
    }
    return mq_answered(done, &error);
}

const char *mq_status_name(mq_status status)
{
    static const char *const names[] = {
        "scheduled", "ready", "running", "completed", "dead", "cancelled",
    };
    return (unsigned)status < sizeof names / sizeof *names ? names[status] : "unknown";
}
