#include "mongoqueue/guest.h"

/* Greets whoever the payload names: {"name": "Ada"}. */
mq_outcome mq_handle(const mq_job *job)
{
    const char *name = mq_string(mq_get(mq_json(job), "name"), "");
    if (*name == 0) {
        /* To the dead jobs: no attempt will ever do better. */
        return mq_reject("no-name", "nobody to greet");
    }
    mq_error error = mq_progress(1, 1, "greeted");
    if (error != MQ_OK) {
        return mq_failed_by(error);
    }
    return mq_output("{\"greeting\": %s}", mq_quoted(mq_format("Hello, %s!", name)));
}
