"""What this process counts: calls and their answers, refusals, events by type, decisions, checks at the gate.

Counting costs a call of `inc` or `observe`, on names that were looked up before; what operators watch beside that is
read from the database (`measuring.py`). Labels come from closed sets: routes, statuses, types, problems. Nothing a
caller chooses stands in one, and nothing that names a person or an institution.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import NamedTuple

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics

from app.domain.events import Entry

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_CALL_S = (0.005, 0.025, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60)
_GATE_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
TOGETHER = "PROMETHEUS_MULTIPROC_DIR"
"""Names the folder of counts that several processes share; the library reads it when a process imports it."""
PASS, REFUSED, FAILED = "pass", "refused", "failed"


disable_created_metrics()  # type: ignore[no-untyped-call]  # the library gives it no types; it is a second series of each, which nothing reads


class _Call(NamedTuple):
    """Calls of one method and route."""

    took: Histogram
    answers: Counter


class Meters:
    """The counts of one process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        labels = ("method", "route")
        self._calls = Counter(
            "countersign_http_requests", "Calls answered.", (*labels, "status"), registry=self.registry
        )
        self._took = Histogram(
            "countersign_http_request_seconds",
            "How long calls took; long polls and streams wait on purpose.",
            labels,
            buckets=_CALL_S,
            registry=self.registry,
        )
        self._refusals = Counter(
            "countersign_refusals", "Calls refused, by problem.", ("problem",), registry=self.registry
        )
        self._events = Counter(
            "countersign_events", "Events committed by this process.", ("type",), registry=self.registry
        )
        self._decisions = Counter("countersign_decisions", "Decisions recorded.", ("verdict",), registry=self.registry)
        self._failures = Counter(
            "countersign_duty_failures", "Duties of the worker that failed.", ("duty",), registry=self.registry
        )
        checks = Histogram(
            "countersign_gate_check_seconds",
            "How long checks at the gate took, the record of each included.",
            ("answer",),
            buckets=_GATE_S,
            registry=self.registry,
        )
        self._gate = {answer: checks.labels(answer) for answer in (PASS, REFUSED, FAILED)}
        self._named = cache(self._name)
        for verdict in ("approve", "deny"):  # so that their rates are there from the first one on
            self._decisions.labels(verdict)

    def called(self, method: str, route: str | None, status: int, seconds: float) -> None:
        """A call was answered. `route` is its pattern, never its path; null for an address that is not there."""
        took, answers = self._named(method if method in _METHODS else "other", route or "none", status)
        took.observe(seconds)
        answers.inc()

    def _name(self, method: str, route: str, status: int) -> _Call:
        return _Call(self._took.labels(method, route), self._calls.labels(method, route, str(status)))

    def checked(self, answer: str, seconds: float) -> None:
        """The gate was asked, and answered `PASS`, `REFUSED` or `FAILED`."""
        self._gate[answer].observe(seconds)

    def refused(self, problem: str) -> None:
        """A call was refused, also where no institution's trail can tell of it."""
        self._refusals.labels(problem).inc()

    def committed(self, entries: Iterable[Entry]) -> None:
        """Entries stand in their logs."""
        for entry in entries:
            self._events.labels(entry.type).inc()
            if entry.type == "decision.made":
                self._decisions.labels(entry.data["verdict"]).inc()

    def failed(self, duty: str) -> None:
        """A duty of the worker failed; it is done again later."""
        self._failures.labels(duty).inc()
