"""Operators: an id that stands for a user of the operating system, or for the API client that one administers by."""

from __future__ import annotations

from app.actions.services import Services
from app.domain.events import Actor
from app.domain.ids import digest_id
from app.tokens.clients import Caller


def operator(services: Services, user: str) -> Actor:
    """The actor of what a user of this machine does; the same name gives the same `opr_…` in all logs."""
    return Actor("operator", digest_id("opr", services.secrets.mac("operator", user)))


def operator_behind(services: Services, caller: Caller) -> Actor:
    """The actor of what only operators do, where they do it by an API client: an id that follows from the client's."""
    return Actor("operator", digest_id("opr", services.secrets.mac("operator/client", caller.cli)))
