"""The evidence report in words: what was asked, answered and given, what proves it, and how to check it."""

from __future__ import annotations

from collections.abc import Iterator
from zoneinfo import ZoneInfo

from markupsafe import Markup
from starlette.responses import Response

from app.actions import paper
from app.actions.export import Asked
from app.actions.paper import Report
from app.actions.request_evidence import RequestEvidence, SignIn, Vote
from app.actions.signin import Visitor
from app.actions.views import RequestView
from app.domain.paper import Block, File, Section, Sheet
from app.web.call import Call
from app.web.language import _, direction, language
from app.web.review import standing
from app.web.text import shown
from app.web.times import Times, length
from app.web.trailwords import said


async def answered(call: Call, visitor: Visitor, asked: Asked) -> Response:
    """The report asked for, as a file."""
    made = await paper.report(call.services, visitor, asked)
    files = (
        File("entries.jsonl", "application/jsonl", _("The entries of this report, as JSON Lines"), made.rows),
        File("checkpoint.txt", "text/plain", _("The checkpoint, exactly"), made.state.note.encode()),
    )
    name = made.exported.filename.removesuffix("jsonl") + "pdf"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(await paper.printed(_sheet(made, visitor), files), 200, headers, "application/pdf")


def _sheet(made: Report, visitor: Visitor) -> Sheet:
    at = made.views[0].now if made.views else None
    times = Times(ZoneInfo(visitor.time_zone), at)
    about = made.about
    title = (
        _("Evidence of request %(number)s", number=about.view.row.number)
        if about is not None
        else _("Evidence report, entries %(first)s to %(last)s", first=made.exported.start, last=made.exported.stop - 1)
    )
    sections = _of_request(about, visitor, times) if about is not None else _of_range(made, visitor, times)
    return Sheet(
        title=title,
        description=_("Evidence report for %(name)s", name=shown(visitor.institution_name)),
        lang=language().partition("-")[0],
        rtl=direction() == "rtl",
        made_at=made.made_at,
        lead=(
            f"{shown(visitor.institution_name)}, {visitor.code}",
            _("Made %(at)s, by %(name)s.", at=_plain(times.full(made.made_at)), name=shown(visitor.name)),
            _("That it was made is entry %(index)s of the trail.", index=made.exported.index),
        ),
        foot=f"Countersign, {visitor.code}",
        sections=(*sections, *_proof(made, visitor)),
    )


def _plain(text: str) -> str:
    """The text without its marks, for paper."""
    return text.striptags() if isinstance(text, Markup) else text


def _of_request(about: RequestEvidence, visitor: Visitor, times: Times) -> Iterator[Section]:
    view = about.view
    yield Section(_("What was asked, and what was given"), (Block("pairs", rows=_facts(view, visitor, times)),))
    reason = Block("quote", shown(view.asked.get("reason") or _("Erased")))
    yield Section(_("Reason, as the vendor wrote it"), (reason,))
    for vote in about.votes:
        yield Section(_("Proof of the approval by %(name)s", name=shown(vote.line.by)), tuple(_vote(vote, times)))
    rows = tuple(
        (str(line.entry.index), _plain(times.full(line.entry.at)), shown(said(line.entry)), shown(line.by))
        for line in about.lines
    )
    head = (_("Entry"), _("Time"), _("What happened"), _("Who"))
    yield Section(_("What was recorded"), (Block("table", head=head, rows=rows),))


def _facts(view: RequestView, visitor: Visitor, times: Times) -> tuple[tuple[str, str], ...]:
    r = standing(view, visitor)
    asked = view.request.asked
    when = _plain(times.span(r.asked, dated=True)) if r.asked is not None else length(asked.minutes)
    facts = [
        (_("Where"), f"{r.place}, {view.request.account}"),
        (_("Asked"), f"{when}; {_roles(asked.roles)}"),
        (
            _("By"),
            ", ".join((*map(shown, map(view.asked.get, ("engineer_name", "engineer_id"))), shown(view.vendor_name))),
        ),
        (_("Case"), f"{shown(view.row.case_number)}, {shown(view.asked.get('case_title'))}"),
        (_("Check code"), view.check_code),
    ]
    facts += [
        (
            _("Approved by") if each.verdict == "approve" else _("Denied by"),
            f"{shown(each.by)}, {_plain(times.full(each.at))}" + (f": {shown(each.comment)}" if each.comment else ""),
        )
        for each in view.decisions
    ]
    grant = view.request.grant
    given = _("Nothing") if r.granted is None or grant is None else _plain(times.span(r.granted, dated=True))
    facts.append((_("Given"), given if grant is None else f"{given}; {_roles(grant.roles)}"))
    if grant is not None and grant.ended_at is not None:
        facts.append((_("Over since"), _plain(times.full(grant.ended_at))))
    if view.report is not None:
        facts.append((_("What the vendor says was done"), shown(view.report)))
    if view.dispute is not None:
        facts.append((_("Disputed by"), f"{shown(view.dispute.by)}: {shown(view.dispute.text)}"))
    return tuple(facts)


def _roles(roles: tuple[str, ...]) -> str:
    return ", ".join(map(shown, roles)) or _("All roles that the account has")


def _vote(vote: Vote, times: Times) -> Iterator[Block]:
    signed = vote.sign_in
    if signed is None:
        yield Block("text", _("The sign-in behind it was erased when its time was over. An entry says so."))
        return
    yield Block("quote", shown(str(signed.statement["text"])))
    yield Block("pairs", rows=tuple(_signed(vote, signed, times)))


def _signed(vote: Vote, signed: SignIn, times: Times) -> Iterator[tuple[str, str]]:
    yield _("Entry"), str(vote.line.entry.index)
    yield _("Signed for exactly this statement"), _("Yes") if signed.fits else _("No")
    yield _("Signed by the key beside it"), _("Yes") if signed.holds else _("No")
    if signed.issued_at is not None:
        yield _("Signed in, by the provider’s clock"), _plain(times.full(signed.issued_at))
    yield _("Identity provider"), shown(str(signed.statement["iss"]))
    yield _("Key (RFC 7638)"), signed.thumbprint
    yield _("Nonce of the statement"), signed.nonce
    yield _("Evidence"), signed.digest
    yield _("Leaf hash"), vote.line.leaf_hash


def _of_range(made: Report, visitor: Visitor, times: Times) -> Iterator[Section]:
    head = (_("Number"), _("Asked"), _("Case"), _("Answered"), _("Given"))
    rows = tuple(_row(view, visitor, times) for view in made.views)
    blocks = (Block("table", head=head, rows=rows),) if rows else (Block("text", _("No request was made.")),)
    yield Section(_("Requests made in this time"), blocks)
    counts = tuple((shown(name), str(n)) for name, n in made.counts.items())
    yield Section(_("Entries by type"), (Block("table", head=(_("Type"), _("Entries")), rows=counts),))


def _row(view: RequestView, visitor: Visitor, times: Times) -> tuple[str, ...]:
    r = standing(view, visitor)
    answers = "; ".join(
        f"{_('approved') if each.verdict == 'approve' else _('denied')}: {shown(each.by)}" for each in view.decisions
    )
    return (
        view.row.number,
        _plain(times.full(view.request.created_at)),
        shown(view.row.case_number),
        answers or _("By nobody"),
        _("Nothing") if r.granted is None else _plain(times.span(r.granted, dated=True)),
    )


def _proof(made: Report, visitor: Visitor) -> Iterator[Section]:
    request = made.exported.request
    bundle = f"{visitor.code}.zip" if request is None else f"{visitor.code}-{request}.zip"
    yield Section(
        _("The checkpoint"),
        (
            Block("text", _("The log had %(n)s entries when this was made, and signed this:", n=made.state.size)),
            Block("code", made.state.note),
        ),
    )
    yield Section(
        _("What this paper proves, and how to check it"),
        (
            Block("text", _("On paper these are statements of the service.")),
            Block("text", _("The proof is in the bundle. It can be checked without the service:")),
            Block("code", f"countersign verify {bundle} --vkey … --enrolment … --idp-jwks …"),
            Block(
                "text",
                _(
                    "Keep this checkpoint: with --from checkpoint.txt a later bundle is checked to contain everything "
                    "that this log contained when the report was made. The entries and the checkpoint are attached to "
                    "this file, byte for byte."
                ),
            ),
            Block(
                "text",
                _(
                    "A report shows that these entries exist. It does not show that there were no others. Sign-ins "
                    "around the gate are outside it."
                ),
            ),
        ),
    )
