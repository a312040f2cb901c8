"""Stops when somebody cancels the job, or the worker is to end; ``{"pages": 100}``."""

import mongoqueue as mq


def print_pages(job: mq.Job) -> dict[str, int]:
    pages = job.payload["pages"]
    for page in range(mq.saved() or 0, pages):
        if mq.is_cancelled():
            # A cancelled job stays so; of a worker that ends, another one goes on from here.
            mq.save(page)
            raise mq.Release()
        mq.log.debug(f"page {page + 1}")
    return {"pages": pages}


Handler = mq.handles(print_pages)
