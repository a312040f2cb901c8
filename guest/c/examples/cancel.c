/* Stops when somebody cancels the job, or the worker is to end; {"pages": 100}. */
#include <stdlib.h>

#include "mongoqueue/guest.h"

mq_outcome mq_handle(const mq_job *job)
{
    long long pages = mq_integer(mq_get(mq_json(job), "pages"), 0);
    mq_payload saved;
    mq_error error = mq_saved(&saved);
    if (error != MQ_OK) {
        return mq_failed_by(error);
    }
    long long page = saved.data != NULL ? atoll(saved.data) : 0;
    for (; page < pages; page++) {
        if (mq_is_cancelled()) {
            /* A cancelled job stays so; of a worker that ends, another one goes on from here. */
            error = mq_save(mq_payload_of("%lld", page));
            return error == MQ_OK ? mq_release(0) : mq_failed_by(error);
        }
        mq_log(MQ_DEBUG, "page %lld", page + 1);
    }
    return mq_output("{\"pages\": %lld}", pages);
}
