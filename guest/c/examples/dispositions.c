/* Every way not to finish a job, by what another service answered: {"status": 503}. */
#include "mongoqueue/guest.h"

mq_outcome mq_handle(const mq_job *job)
{
    int status = (int)mq_integer(mq_get(mq_json(job), "status"), 0);
    const char *code = mq_format("http-%d", status);
    if (status == 429) {
        /* Counts as an attempt, and the next one is not before this. */
        return mq_retry_after(60000, "busy", "too many requests");
    }
    if (status == 503) {
        /* Nobody's fault: counts as none. */
        return mq_release(30000);
    }
    if (status >= 500) {
        /* By the job's own back-off, while attempts are left. */
        return mq_retry(code, "failed with %d", status);
    }
    if (status >= 300) {
        /* No attempt will ever do better: to the dead jobs. */
        return mq_reject(code, "refused with %d", status);
    }
    return mq_output("{\"delivered\": true}");
}
