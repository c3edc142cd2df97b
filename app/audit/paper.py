"""Reports as PDF/UA-1 (ISO 14289-1), set by typst, which is an extra (`requirements/pdf.txt`).

All text goes in as data and is never read as markup. PDF/UA wants each character to have a shape: what no font at hand
has is written as its code point, `[U+7B80]`. Fonts of the system are used beside those that typst brings (Latin, Greek,
Cyrillic and Hebrew); for Chinese, Debian's `fonts-noto-cjk` is enough.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC
from importlib.resources import files
from typing import Any

import typst

from app.domain.paper import File, Sheet

MEDIA_TYPE = "application/pdf"
_TRIES = 4
_SHAPELESS = re.compile(r"the text `\"(.+?)\"` could not be displayed")
_KNOWN = re.compile(r"[^\n\t -~\u00a0-\u024f\u0370-\u03ff\u0400-\u04ff\u05d0-\u05ea\u2013\u2014\u2018-\u201e\u2026]")


def pdf(sheet: Sheet, attached: Sequence[File]) -> bytes:
    """The report, with these files inside."""
    data = _data(sheet, attached)
    for _ in range(_TRIES):
        try:
            return _set(data, sheet, attached)
        except typst.TypstError as error:
            missing = set("".join(_SHAPELESS.findall(str(getattr(error, "diagnostic", error)))))
            if not missing:
                raise
            data = _replaced(data, re.compile("[" + re.escape("".join(sorted(missing))) + "]"))
    return _set(_replaced(data, _KNOWN), sheet, attached)


def _set(data: Mapping[str, Any], sheet: Sheet, attached: Sequence[File]) -> bytes:
    sources = {
        "main.typ": files("app.audit").joinpath("paper.typ").read_bytes(),
        "data.json": json.dumps(data).encode(),
        **{each.name: each.content for each in attached},
    }
    made = typst.compile(  # type: ignore[call-overload] # its stub does not know of sources by name
        sources, format="pdf", pdf_standards=["ua-1"], timestamp=int(sheet.made_at.timestamp())
    )
    if not isinstance(made, bytes):
        raise TypeError("one PDF is one file")
    return made


def _data(sheet: Sheet, attached: Sequence[File]) -> dict[str, Any]:
    at = sheet.made_at.astimezone(UTC)
    data = asdict(sheet) | {"date": {"year": at.year, "month": at.month, "day": at.day}}
    del data["made_at"]
    return data | {"files": [{"name": each.name, "type": each.type, "says": each.says} for each in attached]}


def _replaced(value: Any, shapeless: re.Pattern[str]) -> Any:
    """The same with characters that have no shape as their code points."""
    if isinstance(value, str):
        return shapeless.sub(lambda found: f"[U+{ord(found[0]):04X}]", value)
    if isinstance(value, dict):
        return {name: _replaced(each, shapeless) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_replaced(each, shapeless) for each in value]
    return value
