"""What this service counts and measures, for Prometheus (text format 0.0.4, or OpenMetrics where that is asked for).

Counts are of the processes of this `serve`, all of them together; what the database tells is the same wherever it is
asked. Nobody reads it without the token, and without one that is set the address is not there.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request, Security
from fastapi.security import HTTPBearer
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from starlette.responses import Response

from app.actions.ledger import NOT_FOUND
from app.actions.measuring import Age, Gauges, Measured
from app.actions.meters import TOGETHER
from app.actions.services import Services
from app.api.guard import ServicesDep
from app.api.problems import documented
from app.api.route import ApiRoute
from app.domain.errors import Refusal, Refused

_BEARER = HTTPBearer(scheme_name="metrics", description="`COUNTERSIGN_METRICS_TOKEN`.", auto_error=False)
_UNAUTHORIZED = Refusal("unauthorized", "Bring the token of COUNTERSIGN_METRICS_TOKEN as a bearer token.")

router = APIRouter(route_class=ApiRoute, tags=["Operations"])


class Exposition(Response):
    """Text that Prometheus reads."""

    media_type = "text/plain"


@router.get(
    "/metrics",
    response_class=Exposition,
    summary="Counts and ages for Prometheus",
    responses=documented("unauthorized", "not-found"),
    dependencies=[Security(_BEARER)],
)
async def metrics(
    request: Request,
    services: ServicesDep,
    accept: Annotated[str, Header(include_in_schema=False)] = "",
) -> Response:
    """Everything, in the form that is asked for."""
    _judge(services, request.headers.get("authorization", ""))
    gauges: Gauges = request.app.state.gauges
    registry = CollectorRegistry()
    for each in _counts(services):
        registry.register(each)
    registry.register(_Told(services.version, await gauges.read()))
    encode, content_type = choose_encoder(accept)
    return Response(encode(registry), headers={"Content-Type": content_type})


def _judge(services: Services, authorization: str) -> None:
    """Raises `Refused`: not-found where no token is set, unauthorized."""
    if services.metrics_token is None:
        raise Refused(NOT_FOUND)
    scheme, _, shown = authorization.partition(" ")
    if scheme.lower() != "bearer" or not hmac.compare_digest(shown.encode(), services.metrics_token.encode()):
        raise Refused(_UNAUTHORIZED)


def _counts(services: Services) -> Iterator[Collector]:
    folder = os.environ.get(TOGETHER)
    if folder is None:
        yield services.meters.registry
        yield _Processes([os.getpid()])
    else:
        yield MultiProcessCollector(None, folder)  # type: ignore[no-untyped-call]  # the library gives it no types
        pids = {int(path.stem.rpartition("_")[2]) for path in Path(folder).glob("*.db")}
        yield _Processes(sorted(pid for pid in pids if Path(f"/proc/{pid}").exists()))


class _Processes(Collector):
    """CPU, memory and open files of each process, by its id."""

    def __init__(self, pids: Iterable[int]) -> None:
        self._pids = tuple(pids)

    def collect(self) -> Iterable[Metric]:
        """The families that Prometheus's own clients tell, with a label `pid`."""
        families: dict[str, Metric] = {}
        for pid in self._pids:
            for found in ProcessCollector(pid=_given(pid), registry=CollectorRegistry()).collect():
                family = families.setdefault(found.name, Metric(found.name, found.documentation, found.type))
                for sample in found.samples:
                    family.add_sample(sample.name, {"pid": str(pid)}, sample.value)
        return families.values()


def _given(pid: int) -> Callable[[], int]:
    return lambda: pid


class _Told(Collector):
    """What the database tells, and which software runs."""

    def __init__(self, version: str, measured: Measured | None) -> None:
        self._version, self._measured = version, measured

    def collect(self) -> Iterable[Metric]:
        """Gauges."""
        return families(self._version, self._measured)


def families(version: str, measured: Measured | None) -> Iterator[Metric]:
    """The gauges of a reading; those of the database are left out where it does not answer (null)."""
    yield _gauge("build_info", "The version that runs.", ("version",), {(version,): 1})
    yield _gauge("database_up", "Whether the database answers.", (), {(): measured is not None})
    if measured is not None:
        yield from _measured(measured)


def _measured(told: Measured) -> Iterator[Metric]:
    yield from _ages("requests", "request", "Access requests that are not over", "status", told.requests)
    yield from _ages("deliveries", "delivery", "Messages that wait to be delivered", "kind", told.deliveries)
    yield _gauge("sessions", "Sessions that are not over.", ("state",), {(key,): n for key, n in told.sessions.items()})
    yield _gauge(
        "log_entries", "Entries of each log.", ("institution",), {(key,): n for key, n in told.entries.items()}
    )
    yield _gauge("clock_overdue_seconds", "How late the next change by the clock is.", (), {(): told.clock_overdue_s})
    yield _gauge("unpublished_seconds", "How long a log that grew has had no checkpoint.", (), {(): told.unpublished_s})
    yield _gauge("unwitnessed_logs", "Logs that a witness lags behind.", (), {(): told.unwitnessed.count})
    yield _gauge(
        "unwitnessed_seconds", "Age of the oldest entry that a witness lacks.", (), {(): told.unwitnessed.seconds}
    )
    yield _gauge("witness_logs_behind", "Logs that a witness is behind, and why.", ("witness", "problem"), told.behind)
    if told.rolled_back is not None:
        yield _gauge("rolled_back_logs", "Logs shorter than a checkpoint signed before.", (), {(): told.rolled_back})
    store_up = told.rolled_back is not None
    yield _gauge("checkpoint_store_up", "Whether last signed heads can be read.", (), {(): store_up})


def _ages(many: str, one: str, what: str, label: str, ages: Mapping[str, Age]) -> Iterator[Metric]:
    seconds = {(key,): age.seconds for key, age in ages.items()}
    yield _gauge(many, f"{what}.", (label,), {(key,): age.count for key, age in ages.items()})
    yield _gauge(f"{one}_age_seconds", "Age of the oldest of these.", (label,), seconds)


def _gauge(name: str, what: str, labels: tuple[str, ...], values: Mapping[Any, float]) -> Metric:
    family = GaugeMetricFamily(f"countersign_{name}", what, labels=labels)
    for key, value in values.items():
        family.add_metric(key, value)
    return family
