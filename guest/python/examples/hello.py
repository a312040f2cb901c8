"""The smallest handler: greets whoever the payload names, ``{"name": "Ada"}``."""

import mongoqueue as mq


def hello(job: mq.Job) -> str:
    return f"Hello, {job.payload['name']}!"


Handler = mq.handles(hello)
