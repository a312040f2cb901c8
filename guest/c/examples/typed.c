/*
 * A payload with a type: what doesn't fit it is rejected before anything is done with it.
 *
 * {"lines": [{"sku": "nail", "count": 100, "cents": 2}]} gives {"items": 100, "cents": 200}.
 */
#include "mongoqueue/guest.h"

struct line {
    const char *sku;
    int64_t count, cents;
};

/* False when the value is no line of an order. */
static bool read_line(mq_value from, struct line *line)
{
    line->sku = mq_string(mq_get(from, "sku"), NULL);
    line->count = mq_integer(mq_get(from, "count"), -1);
    line->cents = mq_integer(mq_get(from, "cents"), -1);
    return line->sku != NULL && line->count >= 0 && line->cents >= 0;
}

mq_outcome mq_handle(const mq_job *job)
{
    mq_value lines = mq_get(mq_json(job), "lines");
    if (mq_type_of(lines) != MQ_ARRAY) {
        return mq_reject("bad-payload", "no order");
    }
    long long items = 0, cents = 0;
    for (mq_value at = mq_first(lines); mq_type_of(at) != MQ_NONE; at = mq_next(at)) {
        struct line line;
        if (!read_line(at, &line)) {
            return mq_reject("bad-payload", "no line of an order: %s", mq_raw(at));
        }
        items += line.count;
        cents += line.count * line.cents;
    }
    return mq_output("{\"items\": %lld, \"cents\": %lld}", items, cents);
}
