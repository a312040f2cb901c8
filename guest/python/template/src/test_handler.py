import unittest

from mongoqueue_testing import attempt, host

from handler import Handler


class Greeting(unittest.TestCase):
    def setUp(self) -> None:
        host.reset()

    def test_greets_by_name(self) -> None:
        self.assertEqual(attempt(Handler, {"name": "Ada"}).output, {"greeting": "Hello, Ada!"})
        self.assertEqual(len(host.progress), 1)

    def test_rejects_a_job_without_a_name(self) -> None:
        failure = attempt(Handler, {}).failure
        self.assertEqual(failure.code, "no-name")
        self.assertEqual(type(failure.disposition).__name__, "Disposition_Reject")
