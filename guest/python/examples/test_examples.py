"""Each example, by its name, on a host for tests."""

import unittest

from mongoqueue_testing import attempt, host

import cancel
import dispositions
import hello
import pipeline
import progress
import resumable
import typed


class Examples(unittest.TestCase):
    def setUp(self) -> None:
        host.reset()

    def test_hello(self) -> None:
        self.assertEqual(attempt(hello.Handler, {"name": "Ada"}).output, "Hello, Ada!")

    def test_typed(self) -> None:
        lines = [{"sku": "nail", "count": 100, "cents": 2}, {"sku": "saw", "count": 1, "cents": 999}]
        ended = attempt(typed.Handler, {"lines": lines})
        self.assertEqual(ended.output, {"items": 101, "cents": 1199})
        self.assertEqual(attempt(typed.Handler, {"lines": [{}]}).failure.code, "bad-payload")

    def test_dispositions(self) -> None:
        self.assertEqual(attempt(dispositions.Handler, {"status": 200}).output, {"delivered": True})
        ends = {
            429: ("busy", "RetryAfter", 60_000),
            503: (None, "Release", 30_000),
            404: ("http-404", "Reject", None),
            500: ("http-500", "Retry", None),
        }
        for status, (code, name, value) in ends.items():
            failure = attempt(dispositions.Handler, {"status": status}).failure
            self.assertEqual(failure.code, code)
            self.assertEqual(type(failure.disposition).__name__, f"Disposition_{name}")
            self.assertEqual(getattr(failure.disposition, "value", None), value)

    def test_progress(self) -> None:
        self.assertEqual(attempt(progress.Handler, {"rows": 250}).output, {"rows": 250})
        self.assertEqual([it.count for it in host.progress], [0, 100, 200, 250])

    def test_resumable(self) -> None:
        work = {"steps": 5, "fail_at": 3}
        self.assertIn("as the payload asks", attempt(resumable.Handler, work).failure.message)
        ended = attempt(resumable.Handler, work, attempt=2)
        self.assertEqual(ended.output, {"started_at": 3, "sum": 15})

    def test_pipeline(self) -> None:
        denied = attempt(pipeline.Handler, {"text": "one"})
        self.assertEqual(denied.failure.code, "access-denied")
        host.queues = ["next"]
        ended = attempt(pipeline.Handler, {"text": "one two!"})
        self.assertEqual(ended.output, {"put": 2, "found": 0})
        self.assertEqual([queue for queue, _ in host.puts], ["next", "next"])

    def test_cancel(self) -> None:
        self.assertEqual(attempt(cancel.Handler, {"pages": 3}).output, {"pages": 3})
        self.assertEqual(len(host.lines), 3)
        host.cancelled = True
        failure = attempt(cancel.Handler, {"pages": 3}).failure
        self.assertEqual(type(failure.disposition).__name__, "Disposition_Release")
