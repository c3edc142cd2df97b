"""What is sent and answered about sign-ins, field by field, as `http-api.md` has it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.api.answers import BrokenRow
from app.api.schemas import Instant, Line, Strict
from app.api.session_schemas import Address, Clean
from app.domain.sign_in_rows import Dates

MAX_RECORDS = 10_000

Place = Annotated[str, Field(min_length=1, max_length=100), Line]
Source = Literal["institution", "vendor"]

_EXAMPLE: dict[str, Any] = {
    "environment": "alma-production",
    "from": "2026-11-12T23:00:00Z",
    "to": "2026-11-14T23:00:00Z",
    "source": "institution",
    "records": [{"at": "2026-11-14T01:41:00Z", "user_name": "exl_impl", "ip": "203.0.113.90", "result": "success"}],
}


class SignInRecord(Strict):
    """One sign-in as the environment recorded it; of users other than the vendor's accounts nothing is kept."""

    at: Instant
    user_name: Annotated[str, Field(min_length=1, max_length=255)]
    ip: Annotated[str, Field(max_length=45), Address] | None = None
    result: Annotated[str, Field(max_length=200), Clean] = ""


class NewSignIns(Strict):
    """The records of one environment and period; the same record twice counts once."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    environment: Place
    begins: Annotated[Instant, Field(alias="from")]
    ends: Annotated[Instant, Field(alias="to")]
    source: Source
    records: Annotated[list[SignInRecord], Field(max_length=MAX_RECORDS)]


class SignInsQuery(BaseModel):
    """What a file of records is of; for `text/csv` alone, where the body cannot say it."""

    model_config = ConfigDict(extra="forbid")

    environment: Place | None = None
    begins: Annotated[Instant | None, Field(alias="from")] = None
    ends: Annotated[Instant | None, Field(alias="to")] = None
    source: Source | None = None
    dates: Annotated[Dates, Field(description="how the file writes days that are not 2026-11-14")] = Dates.ISO


class SignInsAnswer(BaseModel):
    """How many sign-ins of the vendor's accounts match a session, and the findings that are new.

    Of a file also: how many rows it had, how many of them could not be used, and the first of those.
    """

    matched: int
    opened: list[str]
    rows: int | None = None
    broken: int | None = None
    broken_rows: list[BrokenRow] | None = None
