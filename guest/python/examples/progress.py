"""Says how far it is, for whoever looks at the job: ``{"rows": 1000}``."""

import mongoqueue as mq

BATCH = 100


def load(job: mq.Job) -> dict[str, int]:
    rows = job.payload["rows"]
    for done in range(0, rows, BATCH):
        mq.progress(done, rows, "loading")
    mq.progress(rows, rows, "done")
    return {"rows": rows}


Handler = mq.handles(load)
