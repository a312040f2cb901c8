#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "mongoqueue/testing.h"

static void greets_by_name(void)
{
    mq_host_reset();
    mq_outcome outcome = mq_handle(mq_test_job("{\"name\": \"Ada\"}"));
    assert(outcome.ending == MQ_COMPLETED);
    assert(strcmp(outcome.output.data, "{\"greeting\": \"Hello, Ada!\"}") == 0);
    assert(mq_host.reports == 1);
}

static void rejects_a_job_without_a_name(void)
{
    mq_host_reset();
    mq_outcome outcome = mq_handle(mq_test_job("{}"));
    assert(outcome.ending == MQ_REJECT);
    assert(strcmp(outcome.code, "no-name") == 0);
}

int main(void)
{
    greets_by_name();
    rejects_a_job_without_a_name();
    puts("ok");
}
