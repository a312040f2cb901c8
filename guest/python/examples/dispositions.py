"""Every way not to finish a job, by what another service answered: ``{"status": 503}``."""

from datetime import timedelta

import mongoqueue as mq


def deliver(job: mq.Job) -> dict[str, bool]:
    status = job.payload["status"]
    if status < 300:
        return {"delivered": True}
    if status == 429:
        # Counts as an attempt, and the next one is not before this.
        raise mq.RetryAfter(timedelta(minutes=1), "too many requests", code="busy")
    if status == 503:
        # Nobody's fault: counts as none.
        raise mq.Release(timedelta(seconds=30))
    if status < 500:
        # No attempt will ever do better: to the dead jobs.
        raise mq.Reject(f"refused with {status}", code=f"http-{status}")
    # By the job's own back-off, while attempts are left.
    raise mq.Failure(f"failed with {status}", code=f"http-{status}")


Handler = mq.handles(deliver)
