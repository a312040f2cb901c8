/* The smallest handler: greets whoever the payload names, {"name": "Ada"}. */
#include "mongoqueue/guest.h"

mq_outcome mq_handle(const mq_job *job)
{
    const char *name = mq_string(mq_get(mq_json(job), "name"), "you");
    return mq_output("%s", mq_quoted(mq_format("Hello, %s!", name)));
}
