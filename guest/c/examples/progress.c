/* Says how far it is, for whoever looks at the job: {"rows": 1000}. */
#include "mongoqueue/guest.h"

enum { BATCH = 100 };

mq_outcome mq_handle(const mq_job *job)
{
    int64_t rows = mq_integer(mq_get(mq_json(job), "rows"), 0);
    for (int64_t done = 0; done < rows; done += BATCH) {
        mq_error error = mq_progress((uint64_t)done, (uint64_t)rows, "loading");
        if (error != MQ_OK) {
            return mq_failed_by(error);
        }
    }
    mq_error error = mq_progress((uint64_t)rows, (uint64_t)rows, "done");
    return error == MQ_OK ? mq_output("{\"rows\": %lld}", (long long)rows) : mq_failed_by(error);
}
