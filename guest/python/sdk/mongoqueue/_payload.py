"""Values to payloads and back, and the host's errors as Python's."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

from componentize_py_types import Err
from wit_world.imports import types as _types

JSON = "application/json"

Payload = _types.Payload
"""Bytes of a media type, for what is not JSON: ``Payload("text/plain", b"…")``."""


class HostError(Exception):
    """The host refused, or failed.

    ``code`` is one of ``access-denied``, ``limit-exceeded``, ``invalid-argument``, ``duplicate``,
    ``no-such-job``, ``lease-lost``, ``unavailable`` and ``other``. ``detail`` is, of ``duplicate``,
    the id of the live job that has the key; of others, words for people.
    """

    def __init__(self, error: _types.Error) -> None:
        # Error_LeaseLost: lease-lost
        name = type(error).__name__.removeprefix("Error_")
        self.code = "".join(f"-{c.lower()}" if c.isupper() else c for c in name).lstrip("-")
        self.detail: str | None = getattr(error, "value", None)
        super().__init__(self.code if self.detail is None else f"{self.code}: {self.detail}")


T = TypeVar("T")


def called(call: Callable[[], T]) -> T:
    """Calls the host; what it refuses is raised as a :class:`HostError`."""
    try:
        return call()
    except Err as error:
        refused = HostError(error.value)
    raise refused


def read(payload: _types.Payload) -> Any:
    """JSON as a value, anything else as its bytes."""
    media = payload.content_type.split(";")[0].strip().lower()
    is_json = media == JSON or media.endswith("+json")
    return json.loads(payload.data) if is_json else payload.data


def write(value: Any) -> _types.Payload:
    """A payload as it is, bytes as bytes, everything else as JSON."""
    if isinstance(value, Payload):
        return value
    if isinstance(value, (bytes, bytearray, memoryview)):
        return Payload("application/octet-stream", bytes(value))
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Payload(JSON, text.encode())


def millis(length: timedelta) -> int:
    """A length of time for the host."""
    if length < timedelta():
        raise ValueError(f"{length} is no length of time")
    return round(length / timedelta(milliseconds=1))
