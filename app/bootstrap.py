"""Everything that does IO or holds a secret, built once from the settings and handed to actions as `Services`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from email.utils import parseaddr
from pathlib import Path
from urllib.parse import unquote, urlsplit

from app import __version__
from app.actions.followers import Followers
from app.actions.services import Services
from app.identity.errors import ProviderUnavailable
from app.identity.http import Fetcher
from app.identity.provider import Assert, ProviderClient
from app.notify.smtp import SmtpSettings
from app.settings import PREFIX, Settings, SettingsError
from app.storage.database import Clock, Database
from app.storage.heads import FileHeads, Heads, HeadStoreError
from app.storage.object_heads import ObjectHeads
from app.storage.object_store import ObjectStore
from app.tokens import client_assertion, keys
from app.tokens.keyfiles import KeysError
from app.tokens.keys import KeyRing
from app.tokens.secrets import Secrets

WEBHOOK_TIMEOUT_S = 15.0


def build(settings: Settings, *, clock: Clock | None = None) -> Services:
    """The services. Nothing is connected yet; `close` them in the end. Raises `SettingsError`."""
    database, ring = Database(settings.database_url, clock=clock), _ring(settings)
    return Services(
        database=database,
        follow=Followers(database),
        secrets=Secrets(settings.secret_key),
        ring=ring,
        heads=_heads(settings),
        objects=ObjectStore(settings.object_store),
        provider=ProviderClient(
            Fetcher(allow_private=settings.allow_private_networks, allow_http=settings.development), asserting(ring)
        ),
        webhooks=Fetcher(
            allow_private=settings.allow_private_networks,
            allow_http=settings.development,
            total_timeout_s=WEBHOOK_TIMEOUT_S,
        ),
        smtp=_smtp(settings),
        mail_from=parseaddr(settings.mail_from)[1],
        bounces_to=settings.bounce_address,
        base_url=settings.base_url,
        log_name=settings.log_name,
        requests_per_hour=settings.requests_per_hour,
        calls_per_minute=settings.calls_per_minute,
        metrics_token=settings.metrics_token,
        checkpoint_every=timedelta(seconds=settings.checkpoint_every),
        version=__version__,
    )


async def close(services: Services) -> None:
    """Close what `build` opened."""
    await services.database.close()


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Services]:
    """The services for a block. Raises `SettingsError`."""
    services = build(settings)
    try:
        yield services
    finally:
        await close(services)


def asserting(ring: KeyRing) -> Assert:
    """How we show providers that take keys who we are."""

    def make(client_id: str, issuer: str, now: datetime) -> str:
        try:
            return client_assertion.make(ring, client_id, issuer, now)
        except KeysError as error:
            raise ProviderUnavailable(f"No key signs us in there: {error}") from error

    return make


def make_first_keys(settings: Settings) -> None:
    """Make the keys for tokens and for our own sign-in where the directory has none yet."""
    if settings.keys_dir is not None:
        keys.create(settings.keys_dir)


def make_database_folder(settings: Settings) -> None:
    """Make the folder of an SQLite file."""
    scheme, _, path = settings.database_url.partition(":///")
    if scheme.startswith("sqlite") and path:
        Path(path.partition("?")[0]).parent.mkdir(parents=True, exist_ok=True)


def _ring(settings: Settings) -> KeyRing:
    try:
        if settings.keys_dir is not None:
            return KeyRing(settings.keys_dir)
        return KeyRing.from_values(settings.token_key or "", settings.trail_keys or {}, settings.client_key)
    except KeysError as error:
        name = "KEYS_DIR" if settings.keys_dir is not None else "TOKEN_KEY"
        raise SettingsError([f"{PREFIX}{name}: {error}"]) from error


def _heads(settings: Settings) -> Heads:
    parts = urlsplit(settings.checkpoint_store)
    if parts.scheme == "file":
        return FileHeads(Path(unquote(parts.path)))
    heads = ObjectHeads(settings.checkpoint_store)
    try:
        heads.probe()
    except HeadStoreError as error:
        raise SettingsError([f"{PREFIX}CHECKPOINT_STORE: {error}"]) from error
    return heads


def _smtp(settings: Settings) -> SmtpSettings:
    try:
        return SmtpSettings.from_url(settings.smtp_url)
    except ValueError as error:
        raise SettingsError([f"{PREFIX}SMTP_URL: {error}"]) from error
