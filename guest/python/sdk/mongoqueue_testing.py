"""A host for unit tests of a handler, without a database. Import it before the handler.

    from mongoqueue_testing import attempt, host
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(_ROOT))

import build  # noqa: E402

if not build.BINDINGS.exists():
    build.bindings()
sys.path.insert(0, str(build.BINDINGS))

from componentize_py_types import Err, Ok  # noqa: E402
from wit_world.imports import context as _context, log as _log, types as _types  # noqa: E402


@dataclass
class Host:
    """What the handler under test said, and what it is told."""

    progress: list[Any] = field(default_factory=list)
    saved: Any = None
    lines: list[str] = field(default_factory=list)
    queues: list[str] = field(default_factory=list)
    """Names that may be opened."""
    puts: list[tuple[str, Any]] = field(default_factory=list)
    """The queue's name and the payload of each."""
    cancelled: bool = False
    remaining: int = 300_000
    """Milliseconds."""

    def reset(self) -> None:
        """Forgets everything."""
        self.__init__()


host = Host()


@dataclass
class Ended:
    """How an attempt ended: with an output, or with a failure as the host sees it."""

    output: Any = None
    failure: _types.Failure | None = None


def attempt(handler: type, payload: Any, **job: Any) -> Ended:
    """Makes an attempt. ``bytes`` are a payload as they are, everything else is JSON."""
    if isinstance(payload, bytes):
        given = _types.Payload("application/octet-stream", payload)
    else:
        given = _types.Payload("application/json", json.dumps(payload).encode())
    fields = {
        "id": "test", "queue": "test", "headers": [], "attempt": 1, "max_attempts": 3,
        "created_at": 0, **job,
    }
    try:
        output = handler().handle(_types.Job(payload=given, **fields))
    except Err as failed:
        return Ended(failure=failed.value)
    if output is None:
        return Ended()
    is_json = output.content_type == "application/json"
    return Ended(output=json.loads(output.data) if is_json else output.data)


def _save(state: Any) -> None:
    host.saved = state


_context.report = lambda progress: host.progress.append(progress)
_context.save = _save
_context.saved = lambda: host.saved
_context.heartbeat = lambda: None
_context.remaining = lambda: host.remaining
_context.is_cancelled = lambda: host.cancelled
_log.write = lambda level, message: host.lines.append(f"{level.name.lower()}: {message}")


def _queues() -> None:
    from wit_world.imports import queue as _queue

    class PutOptions:
        def __getattr__(self, name: str) -> Any:
            return lambda *values: None

    class Queue:
        def __init__(self, name: str) -> None:
            self.name = name

        @classmethod
        def open(cls, name: str) -> "Queue":
            if name not in host.queues:
                raise Err(_types.Error_AccessDenied())
            return cls(name)

        def put(self, payload: Any, options: Any) -> str:
            host.puts.append((self.name, payload))
            return f"put-{len(host.puts)}"

        def put_many(self, payloads: list[Any], options: Any) -> list[Any]:
            return [Ok(self.put(payload, options)) for payload in payloads]

    _queue.PutOptions = PutOptions
    _queue.Queue = Queue


try:
    _queues()
except ImportError:
    # The world doesn't import them.
    pass
