"""The operator at the command line: an id that stands for the name of a user of the operating system."""

from __future__ import annotations

from app.actions.services import Services
from app.domain.events import Actor
from app.domain.ids import digest_id


def operator(services: Services, user: str) -> Actor:
    """The actor of what a user of this machine does; the same name gives the same `opr_…` in all logs."""
    return Actor("operator", digest_id("opr", services.secrets.mac("operator", user)))
