/* Each example, by its name, on a host for tests; in the place of the template's test. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "mongoqueue/testing.h"

/* They all have a handler of the same name: here each has another one. */
#define mq_handle hello
#include "examples/hello.c"
#undef mq_handle
#define mq_handle typed
#include "examples/typed.c"
#undef mq_handle
#define mq_handle dispositions
#include "examples/dispositions.c"
#undef mq_handle
#define mq_handle progress
#include "examples/progress.c"
#undef mq_handle
#define mq_handle resumable
#include "examples/resumable.c"
#undef mq_handle
#define mq_handle pipeline
#include "examples/pipeline.c"
#undef mq_handle
#define mq_handle cancel
#include "examples/cancel.c"
#undef mq_handle

/* In json.c. */
void test_json(void);

static void is(mq_outcome outcome, const char *output)
{
    assert(outcome.ending == MQ_COMPLETED);
    if (strcmp(outcome.output.data, output) != 0) {
        fprintf(stderr, "%s\ninstead of\n%s\n", outcome.output.data, output);
        assert(!"the output");
    }
}

static void ends(mq_outcome outcome, mq_ending ending, const char *code, uint64_t delay)
{
    assert(outcome.ending == ending);
    assert((outcome.code == NULL) == (code == NULL));
    assert(code == NULL || strcmp(outcome.code, code) == 0);
    assert(outcome.delay == delay);
}

/* Bytes that are no character, half of a surrogate pair, and a character that is cut off. */
static void test_words(void)
{
    mq_log(MQ_INFO, "%s", "a\xff\xc3\xa9\xed\xa0\x80\xf0\x9f\x8e\x88\xe2\x82");
#define BAD "\xef\xbf\xbd"
    const char *clean = "a" BAD "\xc3\xa9" BAD BAD BAD "\xf0\x9f\x8e\x88" BAD BAD;
    assert(strcmp(mq_host.line, clean) == 0);
}

static void test_hello(void)
{
    is(hello(mq_test_job("{\"name\": \"Ada\"}")), "\"Hello, Ada!\"");
}

static void test_typed(void)
{
    is(typed(mq_test_job("{\"lines\": [{\"sku\": \"nail\", \"count\": 100, \"cents\": 2},"
                         " {\"sku\": \"saw\", \"count\": 1, \"cents\": 999}]}")),
       "{\"items\": 101, \"cents\": 1199}");
    ends(typed(mq_test_job("{\"lines\": [{}]}")), MQ_REJECT, "bad-payload", 0);
}

static void test_dispositions(void)
{
    is(dispositions(mq_test_job("{\"status\": 200}")), "{\"delivered\": true}");
    ends(dispositions(mq_test_job("{\"status\": 429}")), MQ_RETRY_AFTER, "busy", 60000);
    ends(dispositions(mq_test_job("{\"status\": 503}")), MQ_RELEASE, NULL, 30000);
    ends(dispositions(mq_test_job("{\"status\": 404}")), MQ_REJECT, "http-404", 0);
    ends(dispositions(mq_test_job("{\"status\": 500}")), MQ_RETRY, "http-500", 0);
}

static void test_progress(void)
{
    is(progress(mq_test_job("{\"rows\": 250}")), "{\"rows\": 250}");
    assert(mq_host.reports == 4 && mq_host.count == 250 && strcmp(mq_host.note, "done") == 0);
}

static void test_resumable(void)
{
    mq_job *job = mq_test_job("{\"steps\": 5, \"fail_at\": 3}");
    ends(resumable(job), MQ_RETRY, NULL, 0);
    job->attempt = 2;
    is(resumable(job), "{\"started_at\": 3, \"sum\": 15}");
}

static void test_pipeline(void)
{
    mq_job *job = mq_test_job("{\"text\": \"one two!\"}");
    ends(pipeline(job), MQ_RETRY, "access-denied", 0);
    mq_host.grants = "other next";
    is(pipeline(job), "{\"put\": 2, \"found\": 0}");
    const mq_test_put *put = &mq_host.puts[1];
    assert(strcmp(put->queue, "next") == 0 && put->priority == 10);
    assert(strcmp(put->payload.data, "{\"word\": \"two!\"}") == 0);
    assert(strcmp(put->unique_key, "test/1") == 0);
}

static void test_cancel(void)
{
    mq_job *job = mq_test_job("{\"pages\": 3}");
    is(cancel(job), "{\"pages\": 3}");
    assert(mq_host.lines == 3 && strcmp(mq_host.line, "page 3") == 0);
    mq_host.cancelled = true;
    ends(cancel(job), MQ_RELEASE, NULL, 0);
}

int main(void)
{
    void (*const tests[])(void) = {
        test_json, test_words, test_hello, test_typed, test_dispositions, test_progress, test_resumable,
        test_pipeline, test_cancel,
    };
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
        mq_host_reset();
        tests[i]();
    }
    puts("ok");
}
