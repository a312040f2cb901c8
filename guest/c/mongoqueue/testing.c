/* A host for tests, in place of the functions that a component imports. */
#include "testing.h"

#include <stdlib.h>
#include <string.h>

#include "inside.h"

mq_test_host mq_host = {.grants = "", .remaining = 300000};

static mq_test_put *all_puts;

/* So many are remembered: what a handler opens and sets it soon uses. */
enum { HANDLES = 1000 };

/* Options, and names of queues, by their handles. */
static mq_test_put options[HANDLES];
static const char *queues[HANDLES];
static int32_t option_handles, queue_handles;

void mq_host_reset(void)
{
    mq_host = (mq_test_host){.grants = "", .remaining = 300000};
    option_handles = queue_handles = 0;
    free(all_puts);
    all_puts = NULL;
}

mq_job *mq_test_job(const char *json)
{
    mq_job *job = mq_alloc(sizeof *job);
    *job = (mq_job){
        .id = "test",
        .queue = "test",
        .payload = {"application/json", json, strlen(json)},
        .attempt = 1,
        .max_attempts = 3,
    };
    return job;
}

bool mongoqueue_jobs_context_report(mongoqueue_jobs_context_progress_t *progress,
                                    mongoqueue_jobs_context_error_t *error)
{
    (void)error;
    mq_host.reports++;
    mq_host.count = progress->count;
    mq_host.total = progress->total.is_some ? progress->total.val : 0;
    mq_host.note = progress->note.is_some ? mq_inward(progress->note.val) : NULL;
    return true;
}

bool mongoqueue_jobs_context_save(mongoqueue_jobs_context_payload_t *state,
                                  mongoqueue_jobs_context_error_t *error)
{
    (void)error;
    mq_host.saved = mq_inward_payload(*state);
    return true;
}

bool mongoqueue_jobs_context_saved(mongoqueue_jobs_context_option_payload_t *saved,
                                   mongoqueue_jobs_context_error_t *error)
{
    (void)error;
    saved->is_some = mq_host.saved.data != NULL;
    if (saved->is_some) {
        saved->val = mq_outward_payload(mq_host.saved);
    }
    return true;
}

bool mongoqueue_jobs_context_heartbeat(mongoqueue_jobs_context_error_t *error)
{
    (void)error;
    return true;
}

mongoqueue_jobs_context_duration_t mongoqueue_jobs_context_remaining(void)
{
    return mq_host.remaining;
}

bool mongoqueue_jobs_context_is_cancelled(void)
{
    return mq_host.cancelled;
}

void mongoqueue_jobs_log_write(mongoqueue_jobs_log_level_t level, job_handler_string_t *message)
{
    (void)level;
    mq_host.lines++;
    mq_host.line = mq_inward(*message);
}

mongoqueue_jobs_queue_own_put_options_t mongoqueue_jobs_queue_constructor_put_options(void)
{
    options[option_handles % HANDLES] = (mq_test_put){0};
    return (mongoqueue_jobs_queue_own_put_options_t){option_handles++ % HANDLES};
}

mongoqueue_jobs_queue_borrow_put_options_t mongoqueue_jobs_queue_borrow_put_options(
    mongoqueue_jobs_queue_own_put_options_t own)
{
    return (mongoqueue_jobs_queue_borrow_put_options_t){own.__handle};
}

void mongoqueue_jobs_queue_put_options_drop_own(mongoqueue_jobs_queue_own_put_options_t own)
{
    (void)own;
}

#define OPTION(name, type, remember)                                                               \
    bool mongoqueue_jobs_queue_method_put_options_##name(                                          \
        mongoqueue_jobs_queue_borrow_put_options_t self, type value,                               \
        mongoqueue_jobs_queue_error_t *error)                                                      \
    {                                                                                              \
        (void)error, (void)value, (void)self;                                                      \
        remember;                                                                                  \
        return true;                                                                               \
    }

OPTION(priority, int32_t, options[self.__handle].priority = value)
OPTION(delay, mongoqueue_jobs_queue_duration_t, options[self.__handle].delay = value)
OPTION(due, mongoqueue_jobs_queue_timestamp_t, )
OPTION(unique_key, job_handler_string_t *, options[self.__handle].unique_key = mq_inward(*value))
OPTION(max_attempts, uint32_t, )
OPTION(timeout, mongoqueue_jobs_queue_duration_t, )

bool mongoqueue_jobs_queue_method_put_options_backoff(
    mongoqueue_jobs_queue_borrow_put_options_t self, mongoqueue_jobs_queue_duration_t first,
    mongoqueue_jobs_queue_duration_t max, mongoqueue_jobs_queue_error_t *error)
{
    (void)self, (void)first, (void)max, (void)error;
    return true;
}

bool mongoqueue_jobs_queue_method_put_options_header(
    mongoqueue_jobs_queue_borrow_put_options_t self, job_handler_string_t *name,
    job_handler_string_t *value, mongoqueue_jobs_queue_error_t *error)
{
    (void)self, (void)name, (void)value, (void)error;
    return true;
}

static bool granted(const char *name)
{
    size_t length = strlen(name);
    for (const char *at = mq_host.grants; *at != 0; at += strcspn(at, " ")) {
        at += strspn(at, " ");
        if (strcspn(at, " ") == length && memcmp(at, name, length) == 0) {
            return true;
        }
    }
    return false;
}

bool mongoqueue_jobs_queue_static_queue_open(job_handler_string_t *name,
                                             mongoqueue_jobs_queue_own_queue_t *opened,
                                             mongoqueue_jobs_queue_error_t *error)
{
    const char *text = mq_inward(*name);
    if (!granted(text)) {
        error->tag = MONGOQUEUE_JOBS_TYPES_ERROR_ACCESS_DENIED;
        return false;
    }
    queues[queue_handles % HANDLES] = text;
    opened->__handle = queue_handles++ % HANDLES;
    return true;
}

mongoqueue_jobs_queue_borrow_queue_t mongoqueue_jobs_queue_borrow_queue(
    mongoqueue_jobs_queue_own_queue_t own)
{
    return (mongoqueue_jobs_queue_borrow_queue_t){own.__handle};
}

void mongoqueue_jobs_queue_queue_drop_own(mongoqueue_jobs_queue_own_queue_t own)
{
    (void)own;
}

bool mongoqueue_jobs_queue_method_queue_put(
    mongoqueue_jobs_queue_borrow_queue_t self, mongoqueue_jobs_queue_payload_t *payload,
    mongoqueue_jobs_queue_borrow_put_options_t *given, mongoqueue_jobs_queue_job_id_t *id,
    mongoqueue_jobs_queue_error_t *error)
{
    (void)error;
    mq_test_put put = given != NULL ? options[given->__handle] : (mq_test_put){0};
    put.queue = queues[self.__handle];
    put.payload = mq_inward_payload(*payload);
    all_puts = realloc(all_puts, (mq_host.put_count + 1) * sizeof *all_puts);
    if (all_puts == NULL) {
        abort();
    }
    all_puts[mq_host.put_count++] = put;
    mq_host.puts = all_puts;
    *id = mq_outward(mq_format("put-%zu", mq_host.put_count));
    return true;
}

bool mongoqueue_jobs_queue_method_queue_put_many(
    mongoqueue_jobs_queue_borrow_queue_t self, mongoqueue_jobs_queue_list_payload_t *payloads,
    mongoqueue_jobs_queue_borrow_put_options_t *given,
    mongoqueue_jobs_queue_list_result_job_id_error_t *answers,
    mongoqueue_jobs_queue_error_t *error)
{
    answers->len = payloads->len;
    answers->ptr = mq_alloc(payloads->len * sizeof *answers->ptr);
    for (size_t i = 0; i < payloads->len; i++) {
        answers->ptr[i].is_err = false;
        mongoqueue_jobs_queue_method_queue_put(
            self, &payloads->ptr[i], given, &answers->ptr[i].val.ok, error);
    }
    return true;
}

/* A test has no other jobs to look at. */

bool mongoqueue_jobs_queue_method_queue_get(
    mongoqueue_jobs_queue_borrow_queue_t self, mongoqueue_jobs_queue_job_id_t *id,
    mongoqueue_jobs_queue_job_info_t *info, mongoqueue_jobs_queue_error_t *error)
{
    (void)self, (void)id, (void)info;
    error->tag = MONGOQUEUE_JOBS_TYPES_ERROR_NO_SUCH_JOB;
    return false;
}

bool mongoqueue_jobs_queue_method_queue_cancel(
    mongoqueue_jobs_queue_borrow_queue_t self, mongoqueue_jobs_queue_job_id_t *id,
    mongoqueue_jobs_queue_status_t *status, mongoqueue_jobs_queue_error_t *error)
{
    (void)self, (void)id, (void)status;
    error->tag = MONGOQUEUE_JOBS_TYPES_ERROR_NO_SUCH_JOB;
    return false;
}

bool mongoqueue_jobs_queue_method_queue_stats(
    mongoqueue_jobs_queue_borrow_queue_t self, mongoqueue_jobs_queue_stats_t *stats,
    mongoqueue_jobs_queue_error_t *error)
{
    (void)self, (void)error;
    *stats = (mongoqueue_jobs_queue_stats_t){.ready = mq_host.put_count};
    return true;
}
