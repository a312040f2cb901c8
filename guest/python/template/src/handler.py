import mongoqueue as mq


def greet(job: mq.Job) -> dict[str, str]:
    """Greets whoever the payload names: ``{"name": "Ada"}``."""
    name = job.payload.get("name")
    if not name:
        # To the dead jobs: no attempt will ever do better.
        raise mq.Reject("nobody to greet", code="no-name")
    mq.progress(1, 1, "greeted")
    return {"greeting": f"Hello, {name}!"}


Handler = mq.handles(greet)
