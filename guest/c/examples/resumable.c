/*
 * Goes on where an earlier attempt failed: adds up the numbers from 1 to {"steps": 5}.
 *
 * With "fail_at": 3 the first attempt fails before step 3, and the second begins there.
 */
#include "mongoqueue/guest.h"

mq_outcome mq_handle(const mq_job *job)
{
    mq_value work = mq_json(job);
    mq_payload saved;
    mq_error error = mq_saved(&saved);
    if (error != MQ_OK) {
        return mq_failed_by(error);
    }
    mq_value state = mq_parse(saved.data, saved.size);
    long long next = mq_integer(mq_get(state, "next"), 1);
    long long sum = mq_integer(mq_get(state, "sum"), 0);
    long long started_at = next;
    while (next <= mq_integer(mq_get(work, "steps"), 0)) {
        if (job->attempt == 1 && next == mq_integer(mq_get(work, "fail_at"), 0)) {
            return mq_retry(NULL, "failing, as the payload asks");
        }
        sum += next++;
        error = mq_save(mq_payload_of("{\"next\": %lld, \"sum\": %lld}", next, sum));
        if (error != MQ_OK) {
            return mq_failed_by(error);
        }
    }
    return mq_output("{\"started_at\": %lld, \"sum\": %lld}", started_at, sum);
}
