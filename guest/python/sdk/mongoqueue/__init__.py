"""The SDK for job handlers in Python: what a handler takes, returns, raises and says about its job.

    import mongoqueue as mq

    def greet(job: mq.Job) -> dict:
        return {"greeting": f"Hello, {job.payload['name']}!"}

    Handler = mq.handles(greet)

Puts are in :mod:`mongoqueue.queue`, which needs a line in ``wit/world.wit``.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

from wit_world.imports import context as _context
from wit_world.imports import log as _log
from wit_world.imports import types as _types

from ._payload import HostError, Payload, called, millis, read, write

__all__ = [
    "Failure", "HostError", "Job", "Payload", "Reject", "Release", "RetryAfter",
    "handles", "heartbeat", "is_cancelled", "log", "progress", "remaining", "save", "saved",
]


class Failure(Exception):
    """Raised to fail an attempt; the job is tried again by its own back-off.

    ``code`` is a short stable name for programs, for example ``smtp-550``.
    """

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code

    def _disposition(self) -> _types.Disposition:
        return _types.Disposition_Retry()


class Reject(Failure):
    """Raised to fail the job for good: to the dead jobs."""

    def _disposition(self) -> _types.Disposition:
        return _types.Disposition_Reject()


class RetryAfter(Failure):
    """Raised to fail an attempt; the job is tried again, but not before ``delay`` from now."""

    def __init__(self, delay: timedelta, message: str, *, code: str | None = None) -> None:
        super().__init__(message, code=code)
        self.delay = delay

    def _disposition(self) -> _types.Disposition:
        return _types.Disposition_RetryAfter(millis(self.delay))


class Release(Failure):
    """Raised to put the job back, due after ``delay``, without counting an attempt."""

    def __init__(self, delay: timedelta = timedelta(), message: str = "released by the handler") -> None:
        super().__init__(message)
        self.delay = delay

    def _disposition(self) -> _types.Disposition:
        return _types.Disposition_Release(millis(self.delay))


@dataclass(frozen=True)
class Job:
    """One attempt at one job. A test of a handler makes one of its payload alone."""

    payload: Any
    """JSON as a value, anything else as ``bytes``. What JSON doesn't have comes as Extended JSON:
    ``{"$date": "2027-01-31T09:30:00Z"}``."""
    id: str = ""
    """The same in every attempt: what makes a repeated effect recognisable."""
    queue: str = ""
    """The queue, by the name that this component knows it by."""
    content_type: str = "application/json"
    """The payload's media type."""
    data: bytes = b""
    """The payload's bytes, as they are."""
    headers: list[tuple[str, str]] = field(default_factory=list)
    """Small strings beside the payload, in the order of the put."""
    attempt: int = 1
    """1 on the first try."""
    max_attempts: int = 1
    """The attempt after whose failure the job is dead."""
    created_at: datetime = datetime.fromtimestamp(0, timezone.utc)
    """When the job was put, by the database's clock."""

    def header(self, name: str) -> str | None:
        """The first header of this name, if there is one; case matters."""
        return next((value for key, value in self.headers if key == name), None)

    @property
    def is_last_attempt(self) -> bool:
        """Whether a failure of this attempt makes the job dead."""
        return self.attempt >= self.max_attempts


def handles(work: Callable[[Job], Any]) -> type:
    """Makes a function the component's handler: ``Handler = handles(work)``.

    What it returns is the job's output: ``bytes``, a :class:`Payload`, anything that JSON has;
    nothing for ``None``. What it raises fails the attempt: a :class:`Failure` as it says, anything
    else with its traceback in the job's record.
    """

    class Handler:
        def handle(self, job: _types.Job) -> _types.Payload | None:
            try:
                output = work(_job(job))
                return None if output is None else write(output)
            except Exception as error:
                failed = _failure(error)
            # Outside, so that the host's error has no other error as its context.
            raise _types_err(failed)

    return Handler


def _types_err(failure: _types.Failure) -> Exception:
    from componentize_py_types import Err

    return Err(failure)


def _job(job: _types.Job) -> Job:
    try:
        payload = read(job.payload)
    except ValueError as error:
        # A payload never changes: no attempt will ever read it.
        raise Reject(f"the payload: {error}", code="bad-payload") from None
    return Job(
        payload=payload,
        id=job.id,
        queue=job.queue,
        content_type=job.payload.content_type,
        data=job.payload.data,
        headers=job.headers,
        attempt=job.attempt,
        max_attempts=job.max_attempts,
        created_at=datetime.fromtimestamp(job.created_at / 1_000, timezone.utc),
    )


def _failure(error: Exception) -> _types.Failure:
    if isinstance(error, Failure):
        message = _with_causes(error.message, error.__cause__)
        return _types.Failure(message, error.code, error._disposition())
    # A defect: its traceback goes to stderr, which the job's record keeps the end of.
    traceback.print_exception(error, file=sys.stderr)
    code = error.code if isinstance(error, HostError) else None
    message = _with_causes(_shown(error), error.__cause__)
    return _types.Failure(message, code, _types.Disposition_Retry())


def _shown(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


# A chain that bites its own tail ends.
_CAUSES = 16


def _with_causes(message: str, cause: BaseException | None) -> str:
    for _ in range(_CAUSES):
        if cause is None:
            break
        message = f"{message}: {_shown(cause)}"
        cause = cause.__cause__
    return message


def progress(count: int, total: int | None = None, note: str | None = None) -> None:
    """Says how far the work is, and extends the lease.

    ``count`` and ``total`` are in the handler's own unit, ``note`` is for people.

    Raises :class:`HostError` ``lease-lost`` once another worker has the job: stop then.
    """
    called(lambda: _context.report(_types.Progress(count, total, note or None)))


def save(state: Any) -> None:
    """Saves state for a later attempt, in place of what was saved before.

    Raises :class:`HostError` ``lease-lost``, or ``limit-exceeded`` for more than the host keeps.
    """
    called(lambda: _context.save(write(state)))


def saved() -> Any:
    """What was last saved, in this attempt or an earlier one; ``None`` when nothing was."""
    state = called(_context.saved)
    return None if state is None else read(state)


def heartbeat() -> None:
    """Extends the lease. The host does so by itself; also the cheap way to ask whether it is lost.

    Raises :class:`HostError` ``lease-lost``.
    """
    called(_context.heartbeat)


def remaining() -> timedelta:
    """Time left before the host cuts this attempt off."""
    return timedelta(milliseconds=_context.remaining())


def is_cancelled() -> bool:
    """Somebody asked for the job to be cancelled, or the host is shutting down: return soon."""
    return _context.is_cancelled()


class _Log:
    """The job's own log. What is printed goes to the same place, without a level."""

    def debug(self, message: object) -> None:
        _log.write(_log.Level.DEBUG, str(message))

    def info(self, message: object) -> None:
        _log.write(_log.Level.INFO, str(message))

    def warning(self, message: object) -> None:
        _log.write(_log.Level.WARN, str(message))

    def error(self, message: object) -> None:
        _log.write(_log.Level.ERROR, str(message))


log = _Log()
