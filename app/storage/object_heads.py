"""The last signed heads in S3-compatible storage (`s3://bucket/prefix`): what `heads.py` keeps in a directory.

Compare-and-swap is a conditional write: `If-None-Match: *` for the first head of a log, `If-Match` with the ETag of
the head that was read for every further one. A store that ignores them is not one for heads: `probe` tries it.

Set up by the variables of the AWS SDKs, as the store of recordings.
"""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import quote

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, NotFoundError, PreconditionError
from obstore.store import S3Store

from app.storage.heads import HeadStoreError, SignedHead, dump, parse

if TYPE_CHECKING:  # obstore has them for type checkers alone
    from obstore.store import ClientConfig, RetryConfig

# A log's lock may be held meanwhile.
_PATIENCE: ClientConfig = {"connect_timeout": timedelta(seconds=2), "timeout": timedelta(seconds=5)}
_TRIES: RetryConfig = {"max_retries": 2, "retry_timeout": timedelta(seconds=8)}
_NO_BUCKET = "NoSuchBucket"
"""What S3 says where not only the object is missing: then nobody knows what was signed."""
_DOUBT = "the checkpoint store does not answer"


class ObjectHeads:
    """Heads as objects `<quoted origin>.json` below a URL; nothing is connected before the first use."""

    local = False

    def __init__(self, url: str) -> None:
        self._url = url
        self._store: S3Store | None = None

    def read(self, origin: str) -> SignedHead | None:
        """The last signed head of `origin`; None if nothing was ever signed. Raises `HeadStoreError`."""
        found = self._read(origin)
        return None if found is None else found[0]

    def swap(self, expected: SignedHead | None, new: SignedHead) -> bool:
        """Put `new` in the place of `expected`; False, and nothing changed, if something else stands there by now."""
        found = self._read(new.origin)
        if (None if found is None else found[0]) != expected:
            return False
        return self._write(_name(new.origin), dump(new), None if found is None else found[1])

    def probe(self) -> None:
        """Raise `HeadStoreError` unless the store refuses what would overwrite."""
        name = f"probe-{secrets.token_hex(8)}"
        try:
            kept = self._write(name, b"1", None)
            if not kept or self._write(name, b"2", None) or self._write(name, b"3", '"another"'):
                raise HeadStoreError(
                    "the checkpoint store does not refuse conditional writes (If-Match, If-None-Match)"
                )
        finally:
            with suppress(BaseError, OSError):
                obstore.delete(self._opened(), name)

    def _read(self, origin: str) -> tuple[SignedHead, str] | None:
        try:
            found = obstore.get(self._opened(), _name(origin))
            content, tag = bytes(found.bytes()), found.meta["e_tag"]
        except (NotFoundError, FileNotFoundError) as error:
            if _NO_BUCKET in str(error):
                raise HeadStoreError("the bucket of the checkpoint store is not there") from error
            return None
        except (BaseError, OSError, ValueError) as error:
            raise HeadStoreError(_DOUBT) from error
        if tag is None:
            raise HeadStoreError("the checkpoint store gives no ETag, so that nothing can be swapped")
        return parse(origin, content), tag

    def _write(self, name: str, content: bytes, tag: str | None) -> bool:
        """Write over what has this ETag (null: over nothing); false where something else stands there."""
        try:
            obstore.put(self._opened(), name, content, mode="create" if tag is None else {"e_tag": tag})
        except (AlreadyExistsError, PreconditionError, NotFoundError, FileExistsError, FileNotFoundError):
            return False
        except (BaseError, OSError, ValueError) as error:
            raise HeadStoreError(_DOUBT) from error
        return True

    def _opened(self) -> S3Store:
        if self._store is None:
            # Options that are given take the place of the SDKs' variable for the same.
            plain = os.environ.get("AWS_ALLOW_HTTP", "").lower() in {"true", "1"}
            options: ClientConfig = {**_PATIENCE, "allow_http": plain}
            self._store = S3Store.from_url(self._url, client_options=options, retry_config=_TRIES)
        return self._store


def _name(origin: str) -> str:
    # Percent signs would be escaped once more in the address.
    return f"{quote(origin, safe='').replace('%', '=')}.json"
