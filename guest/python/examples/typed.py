"""A payload with a type: what doesn't fit it is rejected, and the handler sees none of that.

``{"lines": [{"sku": "nail", "count": 100, "cents": 2}]}`` gives ``{"items": 100, "cents": 200}``.
"""

from dataclasses import dataclass

import mongoqueue as mq


@dataclass
class Line:
    sku: str
    count: int
    cents: int


@dataclass
class Order:
    lines: list[Line]

    @classmethod
    def of(cls, payload: dict) -> "Order":
        try:
            return cls([Line(**line) for line in payload["lines"]])
        except (KeyError, TypeError) as error:
            raise mq.Reject("no order", code="bad-payload") from error


def total(job: mq.Job) -> dict[str, int]:
    order = Order.of(job.payload)
    cents = sum(line.count * line.cents for line in order.lines)
    return {"items": sum(line.count for line in order.lines), "cents": cents}


Handler = mq.handles(total)
