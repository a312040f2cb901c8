"""Putting jobs on queues, and looking at them.

Needs ``import mongoqueue:jobs/queue@0.1.0;`` in ``wit/world.wit``, and a queue granted to the
component by the operator.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from componentize_py_types import Ok
from wit_world.imports import queue as _queue

from ._payload import HostError, called, millis, write

JobInfo = _queue.JobInfo
Stats = _queue.Stats


@dataclass(frozen=True)
class PutOptions:
    """How a job is put; what is not given is the queue's own."""

    priority: int = 0
    """Higher first."""
    delay: timedelta | None = None
    """Due this long from now."""
    due: datetime | None = None
    """Due at this time; the later of this and ``delay`` counts."""
    unique_key: str | None = None
    """At most one live job of the queue has this key."""
    max_attempts: int | None = None
    """How many attempts may fail."""
    timeout: timedelta | None = None
    """The longest that one attempt may take."""
    backoff: tuple[timedelta, timedelta] | None = None
    """The first wait after a failed attempt, doubled after each, and the longest."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Small strings beside the payload."""

    def _for_host(self) -> _queue.PutOptions:
        options = _queue.PutOptions()
        if self.priority:
            options.priority(self.priority)
        if self.delay is not None:
            options.delay(millis(self.delay))
        if self.due is not None:
            options.due(round(self.due.timestamp() * 1_000))
        if self.unique_key is not None:
            options.unique_key(self.unique_key)
        if self.max_attempts is not None:
            options.max_attempts(self.max_attempts)
        if self.timeout is not None:
            options.timeout(millis(self.timeout))
        if self.backoff is not None:
            first, longest = self.backoff
            options.backoff(millis(first), millis(longest))
        for name, value in self.headers.items():
            options.header(name, value)
        return options


class Queue:
    """A queue that the host has bound for this component to ``name``.

    Raises :class:`~mongoqueue.HostError` ``access-denied`` when there is none.
    """

    def __init__(self, name: str) -> None:
        self._queue = called(lambda: _queue.Queue.open(name))

    def put(self, payload: Any, options: PutOptions | None = None) -> str:
        """Puts a job; answers its id.

        Raises :class:`~mongoqueue.HostError` ``duplicate``, ``limit-exceeded``, and others.
        """
        return called(lambda: self._queue.put(write(payload), _given(options)))

    def put_many(
        self, payloads: Iterable[Any], options: PutOptions | None = None
    ) -> list[str | HostError]:
        """Puts several; for each, in order, its id or the error that it met."""
        written = [write(payload) for payload in payloads]
        answers = called(lambda: self._queue.put_many(written, _given(options)))
        return [it.value if isinstance(it, Ok) else HostError(it.value) for it in answers]

    def get(self, id: str) -> JobInfo:
        """Looks at a job."""
        return called(lambda: self._queue.get(id))

    def cancel(self, id: str) -> Any:
        """Cancels a job that has not started, or asks a running one to stop; answers its status."""
        return called(lambda: self._queue.cancel(id))

    def stats(self) -> Stats:
        """How many jobs there are; ages in milliseconds."""
        return called(self._queue.stats)


def _given(options: PutOptions | None) -> _queue.PutOptions | None:
    return None if options is None else called(options._for_host)
