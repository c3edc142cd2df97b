"""A small world that writes real trails: the vendor's log, one institution's log, people who really sign in.

Honest moves go through the domain's commands, as the service's actions do. Dishonest ones are told to `append` as they
are: whoever runs the service can write and sign whatever he likes, and the verifier has to find it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson

from app.audit.bundle import BundleParts, Export, LogPart, write_bundle
from app.audit.evidence import binding_blob, countersignature_blob, input_blob, nonce_of
from app.domain import request as requests
from app.domain.change_text import Around, change_text
from app.domain.errors import Refusal
from app.domain.events import SERVICE, Actor, Entry, Event
from app.domain.ids import encode
from app.domain.proposal import CHANGEABLE, Wanted
from app.domain.request import Ask, Terms
from app.domain.statement import (
    Approval,
    approval_text,
    change_input,
    change_statement,
    comment_input,
    decision_statement,
    sub_input,
)
from app.domain.times import stamp
from app.trail import canonical, log, note
from tests.audit.ground import (
    AUDITOR,
    CLIENT,
    CODE,
    ENGINEER,
    HEAD,
    NAME,
    NOTIFY,
    OPERATOR,
    SECOND,
    THIRD,
    Someone,
)
from tests.audit.provider import Provider
from tests.audit.sessions import Sessions

__all__ = ["AUDITOR", "CLIENT", "CODE", "HEAD", "OPERATOR", "SECOND", "THIRD", "Someone", "World"]


class World(Sessions):
    """Vendor, institution, provider, and the moves they make. `language`: that of the sentences they sign."""

    language = "en"

    def see_keys(self, provider: Provider | None = None) -> Entry:
        """The service fetches the provider's keys."""
        provider = provider or self.idp
        blob = input_blob("application/json", orjson.dumps(provider.jwks))
        data = {"issuer": provider.issuer, "thumbprints": provider.thumbprints, "evidence": [self.keep(blob)]}
        return self.append(Event("identity_provider.keys_seen", CODE, SERVICE, data))[0]

    def sign_in(self, person: Someone, **claims: Any) -> str:
        """A sign-in as binding evidence; its name."""
        token = self.idp.id_token(person.sub, int(self.now.timestamp()), **{"email": person.email, **claims})
        return self.keep(binding_blob(token, self.idp.jwk))

    def bind(self, person: Someone, confirmed_by: Someone | None = None, **claims: Any) -> Entry:
        """A person signs in for the first time."""
        return self.append(self.bound(person, confirmed_by, **claims))[0]

    def bound(self, person: Someone, confirmed_by: Someone | None = None, **claims: Any) -> Event:
        """The event of a binding."""
        salt = log.new_salt()
        data = {
            "iss": self.idp.issuer, "sub_digest": canonical.sha(canonical.encode(sub_input(person.sub, salt))),
            "confirmed_by": None if confirmed_by is None else confirmed_by.id,
            "evidence": [self.sign_in(person, **claims)],
        }  # fmt: skip
        actor = SERVICE if confirmed_by is None else Actor("person", confirmed_by.id)
        return Event("person.bound", person.id, actor, data, {"sub": person.sub, "sub_salt": salt})

    def enrol(self, admin: Someone = HEAD) -> Entry:
        """The first admin signs in and confirms the code."""
        bound = self.bound(admin)
        data = {"enrolment_code": self.enrolment_code, "evidence": bound.data["evidence"]}
        return self.append(bound, Event("institution.enrolled", CODE, Actor("person", admin.id), data))[1]

    def begin(self, *others: Someone) -> World:
        """Keys seen, enrolled by the head, the others bound."""
        self.see_keys()
        self.pass_time(minutes=1)
        self.enrol()
        for person in others:
            self.pass_time(minutes=1)
            deciding = {"approver", "backup_approver"} & set(person.roles)
            self.bind(person, HEAD if deciding else None)
        self.pass_time(minutes=1)
        return self

    def ask(self, **changes: Any) -> str:
        """The vendor files a request; its id. `changes` override the data of the event."""
        self.count += 1
        request_id = encode("req", self.count)
        chosen = {
            "environment": "alma-production", "account": "exl_impl", "case_number": "06543210", "escalated": True,
            "severity": "high", "engineer": ENGINEER, "extends": None, "minutes": 240, "not_before": None,
            "roles": ("Circulation", "Fulfillment"),
        }  # fmt: skip
        ask = Ask(**{name: changes.pop(name, value) for name, value in chosen.items()})
        permit = requests.judge_ask(ask, self.institution, self.now)
        decide_by = self.now + timedelta(minutes=60) if isinstance(permit, Refusal) else permit.decide_by
        number = changes.pop("number", f"{self.now.year}-{self.count:04}")
        private = {
            "case_title": "Nightly job", "case_url": None, "endorser_id": None, "endorser_name": None,
            "engineer_email": "e1234@vendor.example", "engineer_id": "e1234", "engineer_name": "Tier 3",
            "reason": "Read the job.", "works_from": "IE",
        }  # fmt: skip
        data = {**ask.to_data(), "decide_by": stamp(decide_by), "number": number, **changes}
        self.private_of[request_id] = private
        events = [Event("request.created", request_id, CLIENT, data, private)]
        self.append(*events)
        if not isinstance(permit, Refusal) and permit.ground is not None:
            self._more(
                requests.implementation_grant(self.requests[request_id], self.institution, self.now, self.new("grt"))
            )
        return request_id

    def _more(self, events: list[Event] | Refusal) -> list[Entry]:
        assert not isinstance(events, Refusal), events
        return self.append(*events)

    def statement(
        self, request_id: str, person: Someone, terms: Terms, comment: str = "", **changes: Any
    ) -> dict[str, Any]:
        """The decision statement that the check page shows."""
        request, salt = self.requests[request_id], log.new_salt()
        private = self.private_of[request_id]
        approval = Approval(
            vendor="Ex Libris", engineer_name=private["engineer_name"] or "", engineer_id=private["engineer_id"] or "",
            account=request.account, environment=self.institution.environments[request.environment],
            institution="Example University Library", case_number=request.case_number, terms=terms,
            zone=self.institution.zone, zone_name=self.institution.time_zone,
        )  # fmt: skip
        made = decision_statement(
            origin=self.trail.origin, institution=CODE, request=request_id, request_digest=request.digest, terms=terms,
            text=approval_text(approval, self.language),
            comment_digest=canonical.sha(canonical.encode(comment_input(comment, salt))),
            policy_digest=canonical.sha(canonical.encode(self.institution.policy.to_data())), iss=self.idp.issuer,
            sub=person.sub, salt=salt,
        )  # fmt: skip
        return {**made, **changes}

    def countersign(
        self, statement: Mapping[str, Any], sub: str, provider: Provider | None = None, **claims: Any
    ) -> str:
        """A fresh sign-in with the statement's nonce, kept as evidence; its name."""
        provider = provider or self.approvals
        nonce = nonce_of(canonical.encode(dict(statement)))
        token = provider.id_token(sub, int(self.now.timestamp()), **{"nonce": nonce, **claims})
        return self.keep(countersignature_blob(statement, token, provider.jwk))

    def approve(
        self,
        request_id: str,
        person: Someone = HEAD,
        terms: Terms | None = None,
        evidence: str | None = None,
        comment: str = "",
    ) -> list[Entry]:
        """An approver approves and countersigns."""
        return self._more(self.approval(request_id, person, terms, evidence, comment))

    def approval(
        self,
        request_id: str,
        person: Someone = HEAD,
        terms: Terms | None = None,
        evidence: str | None = None,
        comment: str = "",
    ) -> list[Event]:
        """The events of an approval."""
        request = self.requests[request_id]
        given = terms or request.asked
        evidence = evidence or self.countersign(self.statement(request_id, person, given, comment), person.sub)
        return self.decide(request_id, person, "approve", given, [evidence], comment)

    def decide(
        self,
        request_id: str,
        person: Someone,
        verdict: str,
        terms: Terms | None,
        evidence: Sequence[str],
        comment: str = "",
    ) -> list[Event]:
        """What the domain makes of an answer."""
        events = requests.decide(
            self.requests[request_id], self.institution, person.id, verdict, terms, now=self.now,
            index=len(self.trail.leaves), grant_id=self.new("grt"), decision_id=self.new("dec"), evidence=evidence,
            comment=comment,
        )  # fmt: skip
        assert not isinstance(events, Refusal), events
        return events

    def token(self, request_id: str, **changes: Any) -> str:
        """A token is minted; its jti."""
        grant = self.requests[request_id].grant
        assert grant is not None
        jti = f"jti-{self.new('evt')}"
        iat = int(self.now.timestamp())
        exp = min(iat + 900, int(grant.not_after.timestamp()))
        data = {
            "grant": grant.id, "jti": jti, "token_digest": canonical.sha(jti.encode()), "iat": iat, "nbf": iat,
            "exp": exp, "bound": False, **changes,
        }  # fmt: skip
        self.append(Event("token.issued", request_id, CLIENT, data))
        return jti

    def revoke(self, request_id: str, person: Someone = HEAD) -> list[Entry]:
        """An approver takes access back."""
        actor = Actor("person", person.id)
        return self._more(requests.revoke(self.requests[request_id], actor, "approver", "", self.now))

    def record_due(self, request_id: str) -> list[Entry]:
        """The clock's events are recorded."""
        return self.append(*requests.due(self.requests[request_id], self.now))

    def change(self, event: Event, admin: Someone = HEAD, proposer: Actor | None = None, **claims: Any) -> Entry:
        """A change is proposed, countersigned and applied. `event` has neither change nor evidence in its data."""
        proposal, applied = self.changing(event, admin, proposer, **claims)
        self.append(proposal)
        return self.append(applied)[0]

    def changing(
        self,
        event: Event,
        admin: Someone = HEAD,
        proposer: Actor | None = None,
        statement: Mapping[str, Any] | None = None,
        **claims: Any,
    ) -> tuple[Event, Event]:
        """Proposal and application of a change."""
        change, salt = self.new("chg"), log.new_salt()
        data = {**event.data, "change": change}
        commitment = None if event.private is None else canonical.sha(log.private_part(event.private, salt))
        assert event.private is None, "the builder's log chooses its own salts"
        digest = canonical.sha(canonical.encode(change_input(data, commitment)))
        proposed = {"type": event.type, "subject": event.subject, "data_digest": digest}
        text = canonical.encode(data).decode()
        proposal = Event("change.proposed", change, proposer or OPERATOR, proposed, {"change": text})
        said = change_statement(
            origin=self.trail.origin, institution=CODE, change=change, type_=event.type, subject=event.subject,
            data_digest=digest, text=self.change_text(event), iss=self.idp.issuer, sub=admin.sub, salt=log.new_salt(),
        )  # fmt: skip
        evidence = self.countersign({**said, **(statement or {})}, admin.sub, **claims)
        applied = replace(event, data={**data, "evidence": [evidence]}, actor=Actor("person", admin.id))
        return proposal, applied

    def change_text(self, event: Event) -> str:
        """The sentence of a change, as its page shows it."""
        data = {name: value for name, value in event.data.items() if name not in {"change", "evidence"}}
        data = canonical.decode_object(canonical.encode(data))
        around = Around(NAME, NOTIFY, {person.id: ("Somebody", person.email) for person in self.people.values()})
        if event.type not in CHANGEABLE:
            return "I agree."
        return change_text(
            self.institution, Wanted(event.type, event.subject, data, event.private), around, self.language
        )

    # --- what an auditor takes home -----------------------------------------------------------------------------------

    def export(self, request_id: str | None = None, person: Someone = HEAD, *, with_private: bool = True) -> Entry:
        """The event of an export."""
        self.pass_time(minutes=1)
        data = {
            "format": "bundle", "from": 0, "to": len(self.trail.leaves) + 1, "request": request_id,
            "with_private": with_private,
        }  # fmt: skip
        return self.append(Event("trail.exported", CODE, Actor("person", person.id), data))[0]

    def bundle(self, path: Path, request_id: str | None = None, **changes: Any) -> Path:
        """Export, and write the bundle. `changes` override parts."""
        entry = changes.pop("entry", None) or self.export(request_id)
        return self.write(path, entry, **changes)

    def write(self, path: Path, entry: Entry, **changes: Any) -> Path:
        """Write the bundle of an export event; synchronous, whatever loop there is."""
        with path.open("wb") as out:
            _run(write_bundle(out, self.parts(entry, **changes)))
        return path

    def parts(self, entry: Entry, **changes: Any) -> BundleParts:
        """The parts of a bundle."""
        request_id, trail = entry.data["request"], self.trail
        indexes = [each.index for each in trail.entries if request_id is None or self._about(each, request_id)]
        named = {digest for index in indexes for digest in trail.entries[index].data.get("evidence", ())}
        private = [(index, trail.private[index]) for index in indexes if trail.entries[index].private is not None]
        proofs = [] if request_id is None else _run(trail.proofs(indexes))
        vendor = self.vendor
        evidence = sorted((digest, blob) for digest, blob in self.evidence.items() if digest in named)
        hidden = not entry.data["with_private"]
        parts = BundleParts(
            export=Export(stamp(entry.at), entry.actor, CODE, trail.origin, request_id, ("countersign", "0.1.0")),
            trail=LogPart([trail.leaves[index] for index in indexes], trail.checkpoint(), proofs),
            vendor=LogPart(vendor.leaves, vendor.checkpoint(), _run(vendor.proofs(range(len(vendor.leaves))))),
            private=[] if hidden else private,
            evidence=[] if hidden else evidence,
            verifier_keys=[trail.signer.verifier.vkey],
            sign=lambda text: note.sign(text.decode(), [trail.signer]),
        )
        return replace(parts, **changes)

    def _about(self, entry: Entry, request_id: str) -> bool:
        common = (
            "institution.",
            "environment.",
            "policy.",
            "identity_provider.",
            "change.",
            "person.",
            "trail.",
            "vendor.",
        )
        mine = (entry.subject, entry.data.get("request"), entry.data.get("about"))
        sessions = {
            e.subject for e in self.trail.entries if e.type == "session.opened" and e.data["request"] == request_id
        }
        return entry.type.startswith(common) or request_id in mine or entry.subject in sessions

    @property
    def anchors(self) -> dict[str, Any]:
        """What the institution itself kept."""
        return {
            "vkeys": [self.trail.signer.verifier.vkey],
            "idp_jwks": [self.idp.jwks],
            "enrolment": self.enrolment_code,
        }


def _run(coroutine: Any) -> Any:
    return asyncio.run(coroutine)
