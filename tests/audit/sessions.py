"""What gateways and the gate tell of sessions, as an honest service would have it written."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from app.audit.evidence import binding_blob, nonce_of
from app.domain import recording
from app.domain.events import SERVICE, Actor, Entry, Event
from app.domain.recording import Record, covered
from app.domain.session import Coverage
from app.domain.times import stamp
from app.trail import canonical
from tests.audit.ground import CLIENT, Ground


class Sessions(Ground):
    """Sessions, and what is recorded of them."""

    def __init__(self, *given: Any, **named: Any) -> None:
        self.records: dict[str, Record] = {}
        super().__init__(*given, **named)

    def append(self, *events: Event) -> list[Entry]:
        """As ever; what is recorded follows."""
        entries = super().append(*events)
        for entry in entries:
            self._record(entry)
        return entries

    def _record(self, entry: Entry) -> None:
        if entry.type == "session.opened":
            gate = entry.actor.kind == "system"
            owed = not gate and self.institution.policy.recording_required
            self.records[entry.subject] = recording.begun(entry.at, gate=gate, owed=owed)
        elif entry.type == "session.part_added" and entry.subject in self.records:
            self.records[entry.subject] = recording.with_part(self.records[entry.subject], entry.at)

    def session(self, request_id: str, jti: str, **changes: Any) -> str:
        """A session is opened through the API; its id."""
        grant, session_id = self.requests[request_id].grant, self.new("ses")
        assert grant is not None
        data = {
            "grant": grant.id, "jti": jti, "request": request_id, "engineer_proved": False, "evidence": [], **changes,
        }  # fmt: skip
        self.append(Event("session.opened", session_id, CLIENT, data, {"ip": "203.0.113.7", "user_agent": "x"}))
        return session_id

    def end(self, session_id: str, actor: Actor = CLIENT) -> Entry:
        """The gateway ends a session."""
        return self.append(Event("session.ended", session_id, actor, self.figures(session_id), {"summary": "done"}))[0]

    def figures(self, session_id: str, **changes: int) -> dict[str, int]:
        """What is recorded of a session until now, where it never was lost."""
        record = self.records.get(session_id)
        found = Coverage(0, 0, ()) if record is None else covered(record, self.now)
        return {"open_s": found.open_s, "covered_s": found.covered_s, **changes}

    def part(self, session_id: str, n: int, body: bytes) -> int:
        """The gateway adds a part of a recording; the entry's index."""
        data = {"n": n, "bytes": len(body), "content_type": "text/plain", "digest": canonical.sha(body)}
        return self.append(Event("session.part_added", session_id, CLIENT, data))[0].index

    def segment(self, session_id: str, n: int, **changes: Any) -> int:
        """A segment of the last minute is sealed; the entry's index."""
        data = {"n": n, "from": stamp(self.now - timedelta(seconds=50)), "to": stamp(self.now), "events": 3}
        data |= {"digest": canonical.sha(f"{session_id}/{n}".encode()), "late": 0, **changes}
        return self.append(Event("session.segment_sealed", session_id, SERVICE, data))[0].index

    def gate_session(
        self, request_id: str, jti: str, sub: str = "e1234", signed_for: str | None = None, **changes: Any
    ) -> int:
        """The engineer signs in at the gate, and it opens a session; the entry's index."""
        grant, session_id = self.requests[request_id].grant, self.new("ses")
        assert grant is not None
        nonce = nonce_of(canonical.encode({"grant": grant.id, "jti": signed_for or jti}))
        signed = self.vendor_idp.id_token(sub, int(self.now.timestamp()), nonce=nonce)
        data = {
            "grant": grant.id, "jti": jti, "request": request_id, "engineer_proved": True,
            "evidence": [self.keep(binding_blob(signed, self.vendor_idp.jwk))], **changes,
        }  # fmt: skip
        private = {"ip": "203.0.113.7", "user_agent": "x"}
        return self.append(Event("session.opened", session_id, SERVICE, data, private))[0].index
