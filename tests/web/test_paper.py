"""Evidence reports as PDF: read back, tagged, with the entries inside; hostile text stays text."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from pypdf import PdfReader

from app.actions import paper
from app.audit.paper import pdf
from app.domain.paper import Block, File, Section, Sheet
from app.storage import entries
from tests.actions.watching import approved
from tests.actions.worlds import AUDITOR, CODE, HEAD, World
from tests.web.reading import judge
from tests.web.site import Site
from tests.web.test_pages import HOSTILE
from tests.web.test_pictures import NOON


async def _taken(site: Site, path: str, **fields: str) -> PdfReader:
    site.enter(AUDITOR)
    await site.open(path)
    judge(site.text)
    answer = await site.post(site.form("/trail/export"), **{"as": "pdf", **fields})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.headers["content-disposition"].endswith('.pdf"')
    return PdfReader(io.BytesIO(answer.content))


def _text(read: PdfReader) -> str:
    """The text, without the places where it may break."""
    return " ".join("\n".join(page.extract_text() for page in read.pages).replace("\u200b", "").split())


async def _exports(world: World) -> list[dict[str, object]]:
    async with world.services.database.read() as tx:
        found = await entries.find(tx, CODE, entries.LeafFilter(type="trail.exported"), 10)
    return [dict(each.entry.data) for each in found]


async def test_a_report_about_a_request_holds_its_proof_and_its_entries(site: Site) -> None:
    request = await approved(site.world)
    read = await _taken(site, f"/requests/{request}/evidence")
    text = _text(read)
    for words in ("Evidence of request", "Head of Systems", "I approve", "countersign verify", "Nightly fulfilment"):
        assert words in text, words
    assert "Signed for exactly this statement: Yes" in text
    root: Any = read.trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"]
    assert root["/StructTreeRoot"]
    assert root["/Lang"] == "en"
    assert b"pdfuaid" in root["/Metadata"].get_data()
    (rows,) = read.attachments["entries.jsonl"]
    (note,) = read.attachments["checkpoint.txt"]
    assert b"request.approved" in rows
    assert note.decode().splitlines()[0] == f"countersign.example/{CODE}"
    assert note.decode().splitlines()[2] in text.replace(" ", "")
    (event,) = await _exports(site.world)
    assert (event["format"], event["request"], event["with_private"]) == ("jsonl", request, True)
    report = await site.world.verify(await site.world.bundle())
    assert report.exit_code == 0, report


async def test_a_report_about_days_lists_requests_and_counts_entries(site: Site) -> None:
    request = await approved(site.world)
    day = site.world.now().date().isoformat()
    read = await _taken(site, f"/trail?after={day}")
    text = _text(read)
    for words in ("Evidence report", "Requests made in this time", "approved: Head of Systems", "decision.made 1"):
        assert words in text, words
    assert request.encode() in read.attachments["entries.jsonl"][0]
    (event,) = await _exports(site.world)
    assert (event["format"], event["request"]) == ("jsonl", None)


async def test_hostile_text_stays_text_on_paper(site: Site) -> None:
    hostile = HOSTILE | {"reason": '#panic("x") #read("main.typ") $x$ *b* 简体中文 \u0915 ' + "y" * 3000}
    filed = await site.world.file(**hostile)
    await site.world.deny(HEAD, filed.row.id)
    text = _text(await _taken(site, f"/requests/{filed.row.id}/evidence"))
    assert '#panic("x") #read("main.typ") $x$ *b*' in text
    assert "<script>alert(1)</script>" in text
    assert text.count("y") >= 3000
    for character in ("\u202e", "\u2066"):
        assert character not in text


async def test_who_reads_no_trail_gets_no_report(site: Site) -> None:
    request = await approved(site.world)
    site.enter(HEAD)
    await site.open("/requests")
    csrf = site.form("/sign-out").filled()["csrf"]
    answer = await site.client.post("/trail/export", data={"as": "pdf", "request": request, "csrf": csrf})
    assert answer.status_code == 403
    assert await _exports(site.world) == []


async def test_without_the_extra_nothing_is_exported(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.enter(AUDITOR)
    await site.open("/trail")
    form = site.form("/trail/export")
    nothing: Callable[[], bool] = lambda: False  # noqa: E731 -- named for its type
    monkeypatch.setattr(paper, "offered", nothing)
    assert (await site.post(form, **{"as": "pdf"})).status_code == 422
    assert await _exports(site.world) == []


@pytest.mark.parametrize("lang, rtl, words", [("he", True, "שלום"), ("zh", False, "Latin"), ("de", False, "Größe")])
def test_every_language_of_pages_can_be_set(lang: str, rtl: bool, words: str) -> None:
    section = Section(
        words, (Block("text", words + " 简体"), Block("pairs", rows=(("a", "b"),)), Block("code", "x" * 200))
    )
    sheet = Sheet("Title", "What it is", lang, rtl, NOON, (words,), "Countersign", (section,))
    read = PdfReader(io.BytesIO(pdf(sheet, (File("a.txt", "text/plain", "A file", b"a"),))))
    text = _text(read)
    assert words in text or words[::-1] in text
    assert "简体" in text or "U+7B80" in text
