/*
 * Puts follow-up jobs: one for each word of {"text": "one two!"}.
 *
 * A handler may run more than once, so each has a unique key: a second attempt finds those that the
 * first one put, and puts the rest.
 */
#include <string.h>

#include "mongoqueue/queue.h"

mq_outcome mq_handle(const mq_job *job)
{
    const char *text = mq_string(mq_get(mq_json(job), "text"), "");
    mq_queue next;
    mq_error error = mq_queue_open("next", &next);
    if (error != MQ_OK) {
        return mq_failed_by(error);
    }
    int position = 0, put = 0, found = 0;
    for (const char *at = text + strspn(text, " "); *at != 0; at += strspn(at, " ")) {
        int length = (int)strcspn(at, " ");
        const char *word = mq_format("%.*s", length, at);
        at += length;
        const mq_put_options options = {
            .unique_key = mq_format("%s/%d", job->id, position++),
            /* Shouting is urgent. */
            .priority = word[length - 1] == '!' ? 10 : 0,
        };
        const mq_payload payload = mq_payload_of("{\"word\": %s}", mq_quoted(word));
        error = mq_queue_put(next, payload, &options, NULL);
        if (error != MQ_OK && error != MQ_DUPLICATE) {
            return mq_failed_by(error);
        }
        *(error == MQ_OK ? &put : &found) += 1;
    }
    return mq_output("{\"put\": %d, \"found\": %d}", put, found);
}
