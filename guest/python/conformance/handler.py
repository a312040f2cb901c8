"""What every SDK does alike: the payload names the case. Tried by `tests/it/languages`."""

import time
from datetime import timedelta

import mongoqueue as mq
from mongoqueue.queue import PutOptions, Queue


def retry(job):
    if job.attempt == 1:
        raise mq.RetryAfter(timedelta(seconds=2), "later", code="busy")
    return {"attempt": job.attempt}


def reject(job):
    raise mq.Reject("never", code="bad-input")


def release(job):
    if mq.saved():
        return {"saved": mq.saved()}
    mq.save({"released": True})
    raise mq.Release(timedelta(milliseconds=500))


def throw(job):
    def inner():
        raise TypeError("boom") from ValueError("the fuse")

    inner()


def progress(job):
    mq.progress(3, 10, "third")
    raise mq.Failure("enough")


def save(job):
    if job.attempt > 1:
        return mq.saved()
    mq.save({"page": 7})
    raise mq.Failure("half way")


def put(job):
    queue = Queue("next")
    options = PutOptions(priority=5, headers={"from": "conformance"}, max_attempts=9)
    one = queue.put({"n": 1}, options)
    many = queue.put_many([{"n": 2}, {"n": 3}, {"n": 4}])
    status = queue.get(one).status.name.lower()
    return {"one": one, "many": many, "ready": queue.stats().ready, "status": status}


def cancelled(job):
    while not mq.is_cancelled():
        mq.heartbeat()
        time.sleep(0.01)
    return {"cancelled": True}


def log(job):
    mq.log.info("one")
    mq.log.warning("two")
    print("three")


def attempt(job):
    return {
        "id": job.id,
        "queue": job.queue,
        "attempt": job.attempt,
        "max": job.max_attempts,
        "year": job.created_at.year,
        "header": job.header("from"),
        "last": job.is_last_attempt,
    }


CASES = {
    "echo": lambda job: job.payload["value"],
    "nothing": lambda job: None,
    "retry": retry,
    "reject": reject,
    "release": release,
    "throw": throw,
    "progress": progress,
    "save": save,
    "put": put,
    "put-nowhere": lambda job: Queue("elsewhere"),
    "cancelled": cancelled,
    "big": lambda job: job.payload["text"][::-1],
    "log": log,
    "remaining": lambda job: round(mq.remaining() / timedelta(milliseconds=1)),
    "attempt": attempt,
}


def conform(job: mq.Job):
    if isinstance(job.payload, bytes):
        return job.payload
    return CASES[job.payload["case"]](job)


Handler = mq.handles(conform)
