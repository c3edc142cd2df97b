"""The worker: mails and webhooks out of the outbox, checkpoints and their witnesses, what the clock is due, sessions,
refusals of minutes that are over, what can be forgotten.

Any number may run beside each other, in processes of their own or inside `serve`: deliveries are leased, everything
else happens under the lock of its log. Each duty has its own pace and its own failures; one that finds a full batch
goes on at once. A stop lets what has begun end.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, BinaryIO, cast

import orjson
import structlog
from structlog.processors import ExceptionRenderer
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import EventDict

from app.actions import alma_scans, clock, orphans, recordings, retention, roster_reviews, session_clock, standing
from app.actions import deliver as delivery
from app.actions import deliver_webhooks as hooks
from app.actions.clock import lapse_changes, sweep, tell_refusals, tidy
from app.actions.deliver import deliver
from app.actions.deliver_webhooks import deliver_webhooks
from app.actions.follow import NUMBERED, number
from app.actions.logout import time_out
from app.actions.observing import BATCH as OBSERVED
from app.actions.observing import observe
from app.actions.publishing import BATCH as PUBLISHED
from app.actions.publishing import publish
from app.actions.recordings import retain
from app.actions.services import Services
from app.actions.session_clock import watch_over
from app.api import representation
from app.domain.errors import Unavailable

PACE_S = 1.0
MORE_S = 0.02
SLOW_PACE_S = 60.0
AFTER_FAILURE_S = 5.0

_log = structlog.get_logger("countersign.worker")


@dataclass(frozen=True, slots=True)
class Duty:
    """One kind of work. `work` says how much it did; when that is `batch`, there is more, and it goes on at once."""

    name: str
    work: Callable[[Services], Awaitable[int]]
    pace_s: float
    batch: int


async def _tidy(services: Services) -> int:
    await tidy(services)
    return 0


async def _scans(services: Services) -> int:
    return await alma_scans.sweep(services)


async def _webhooks(services: Services) -> int:
    return await deliver_webhooks(services, representation.body)


DUTIES = (
    Duty("deliver", deliver, PACE_S, delivery.BATCH),
    Duty("webhooks", _webhooks, PACE_S, hooks.BATCH),
    Duty("clock", sweep, PACE_S, clock.BATCH),
    Duty("watch", watch_over, PACE_S, session_clock.BATCH),
    Duty("standing", standing.sweep, PACE_S, standing.BATCH),
    Duty("checkpoints", publish, PACE_S, PUBLISHED),
    Duty("observing", observe, SLOW_PACE_S, OBSERVED),
    Duty("changes", number, PACE_S, NUMBERED),
    Duty("refusals", tell_refusals, SLOW_PACE_S / 4, sys.maxsize),
    Duty("sessions", time_out, SLOW_PACE_S, sys.maxsize),
    Duty("scans", _scans, SLOW_PACE_S / 4, alma_scans.BATCH),
    Duty("retention", retain, 60 * SLOW_PACE_S, recordings.BATCH),
    Duty("erasure", retention.erase_old, 360 * SLOW_PACE_S, retention.BATCH),
    Duty("orphans", orphans.sweep, 360 * SLOW_PACE_S, sys.maxsize),
    Duty("proposals", lapse_changes, SLOW_PACE_S, sys.maxsize),
    Duty("reviews", roster_reviews.remind, 60 * SLOW_PACE_S, sys.maxsize),
    Duty("tidy", _tidy, SLOW_PACE_S, sys.maxsize),
)


async def work(services: Services, stop: asyncio.Event, duties: tuple[Duty, ...] = DUTIES) -> None:
    """Do all duties until `stop` is set."""
    async with asyncio.TaskGroup() as group:
        for duty in duties:
            group.create_task(_keep(services, duty, stop), name=f"worker-{duty.name}")


async def _keep(services: Services, duty: Duty, stop: asyncio.Event) -> None:
    while not stop.is_set():
        await _pause(stop, await _once(services, duty))


async def _once(services: Services, duty: Duty) -> float:
    """Do a duty once; how long to wait before the next time."""
    try:
        return MORE_S if await duty.work(services) >= duty.batch else duty.pace_s
    except Unavailable as error:
        services.meters.failed(duty.name)
        _log.warning("worker.unavailable", duty=duty.name, detail=error.detail)
    except Exception:  # noqa: BLE001 -- logged whole below
        # One broken item must not end all the rest; it stays where it is and is tried, and logged, again.
        services.meters.failed(duty.name)
        _log.exception("worker.failed", duty=duty.name)
    return AFTER_FAILURE_S


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return


# Without local variables: they hold tokens and secrets.
_EXCEPTIONS = ExceptionRenderer(ExceptionDictTransformer(show_locals=False))


def _line(logger: Any, method: str, event: EventDict) -> bytes:
    """A line of JSON, in one step, because there is one for every request."""
    if "request_id" not in event:  # whoever gives it has said all there is
        event.update(structlog.contextvars.get_contextvars())
    event["level"], event["timestamp"] = method, datetime.now(UTC).isoformat().replace("+00:00", "Z")
    if "exc_info" in event:
        event = _EXCEPTIONS(logger, method, event)
    return orjson.dumps(event, default=repr, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)


class _Lines:
    """A stream whose lines go out together: those of one turn of the loop by one write; outside of a loop, at once."""

    def __init__(self, stream: BinaryIO) -> None:
        self.write = stream.write
        self._stream = stream
        self._due = False

    def flush(self) -> None:
        """Soon."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self._stream.flush()
            return
        if not self._due:
            self._due = True
            loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._due = False
        self._stream.flush()


def configure_logs() -> None:
    """Lines of JSON on standard error: ours, and those of libraries from warnings on."""
    shared = (
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _EXCEPTIONS,
    )
    line = structlog.processors.JSONRenderer(sort_keys=True)
    remove = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[remove, line], foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name]
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.getLogger("uvicorn.error").setLevel(logging.INFO)  # when it listens, and when it stops
    structlog.configure(
        processors=[_line],
        logger_factory=structlog.BytesLoggerFactory(cast("BinaryIO", _Lines(sys.stderr.buffer))),
        cache_logger_on_first_use=True,
    )
