"""Puts follow-up jobs: one for each word of ``{"text": "one two!"}``.

A handler may run more than once, so each has a unique key: a second attempt finds those that the
first one put, and puts the rest. Needs ``import mongoqueue:jobs/queue@0.1.0;`` in ``wit/world.wit``.
"""

import mongoqueue as mq
from mongoqueue.queue import PutOptions, Queue


def split(job: mq.Job) -> dict[str, int]:
    queue = Queue("next")
    done = {"put": 0, "found": 0}
    for position, word in enumerate(job.payload["text"].split()):
        # Shouting is urgent.
        options = PutOptions(
            unique_key=f"{job.id}/{position}", priority=10 if word.endswith("!") else 0
        )
        try:
            queue.put({"word": word}, options)
            done["put"] += 1
        except mq.HostError as error:
            if error.code != "duplicate":
                raise
            done["found"] += 1
    return done


Handler = mq.handles(split)
