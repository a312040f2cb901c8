"""Goes on where an earlier attempt failed: adds up the numbers from 1 to ``{"steps": 5}``.

With ``"fail_at": 3`` the first attempt fails before step 3, and the second begins there.
"""

import mongoqueue as mq


def work(job: mq.Job) -> dict[str, int]:
    state = mq.saved() or {"next": 1, "sum": 0}
    started_at = state["next"]
    while state["next"] <= job.payload["steps"]:
        if job.attempt == 1 and state["next"] == job.payload.get("fail_at"):
            raise RuntimeError("failing, as the payload asks")
        state = {"next": state["next"] + 1, "sum": state["sum"] + state["next"]}
        mq.save(state)
    return {"started_at": started_at, "sum": state["sum"]}


Handler = mq.handles(work)
