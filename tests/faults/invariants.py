"""The invariants of a run, judged from outside: by its history, the exported trail, and what the mail peer was given.

Each function raises `AssertionError` with what broke it, and tells how much it looked at.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any

from app.trail.checkpoint import Checkpoint, open_checkpoint
from app.trail.note import VerifierKey
from tests.faults.history import Call, History, Outcome
from tests.faults.stories import IMPLEMENTATION, ONE
from tests.faults.trail import Entry, Trail
from tests.fixtures.smtp import Delivery

OUTCOMES = ("request.approved", "request.denied", "request.expired", "request.withdrawn")
ENDS = (
    "request.denied",
    "request.expired",
    "request.withdrawn",
    "request.completed",
    "request.revoked",
    "request.elapsed",
)
ENDINGS = {"withdraw": "request.withdrawn", "complete": "request.completed", "revoke": "request.revoked"}


def grants_rest_on_approvals(trail: Trail, history: History) -> int:
    """I1: no grant without its valid, distinct approvals earlier in the trail, over the same digest."""
    pressed = {(call.who, call.what) for call in history.of("approve")}
    grants = trail.of("request.approved")
    for entry in grants:
        created = trail.by_request[entry["subject"]][0]
        votes = [trail.entries[index] for index in entry["data"]["decisions"]]
        if created["data"]["environment"] == IMPLEMENTATION:
            assert (entry["data"]["ground"], votes) == ("implementation", []), entry
            continue
        signers = [_signer(trail, created, vote) for vote in votes]
        assert entry["data"]["ground"] == "approval", entry
        assert len(set(signers)) == len(votes) >= (1 if created["data"]["minutes"] == ONE else 2), (entry, signers)
        assert all(vote["index"] < entry["index"] for vote in votes), entry
        assert all((who, entry["subject"]) in pressed for who in signers), (entry, signers)
    return len(grants)


def _signer(trail: Trail, created: Entry, vote: Entry) -> str:
    """Whose sign-in at the provider signed the approval of exactly this request; their e-mail."""
    assert (vote["type"], vote["subject"]) == ("decision.made", created["subject"]), vote
    assert vote["data"]["verdict"] == "approve", vote
    (digest,) = vote["data"]["evidence"]
    blob = json.loads(trail.evidence[digest])
    assert f"sha256:{sha256(trail.evidence[digest]).hexdigest()}" == digest
    statement, said = blob["statement"], _claims(blob["id_token"])
    whole = json.dumps(statement, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    assert said["nonce"] == urlsafe_b64encode(sha256(whole).digest()).rstrip(b"=").decode(), vote
    assert statement["request_digest"] == trail.digest(created["index"]), vote
    assert (statement["request"], statement["sub"]) == (created["subject"], said["sub"]), vote
    email: str = said["sub"].removeprefix("sub-of-")
    assert trail.people[vote["actor"]["id"]] == email, vote
    return email


def _claims(token: str) -> dict[str, Any]:
    payload = token.split(".")[1]
    return dict(json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4))))


def acknowledged_is_recorded_once(trail: Trail, history: History) -> int:
    """I2: every acknowledged event is in the trail exactly once, and nothing is that nobody asked for."""
    filed = {call.answer["id"] for call in history.acknowledged("create")}
    assert set(trail.by_request) == filed, set(trail.by_request) ^ filed
    assert all(trail.types(request)["request.created"] == 1 for request in filed)
    _decisions(trail, history)
    for kind, type_ in ENDINGS.items():
        _at_most_once({what: trail.types(what)[type_] for what in filed}, history.of(kind), lambda call: call.what)
    _tokens(trail, history)
    _sign_ins(trail, history)
    return len(history.acknowledged("create", "approve", "deny", "mint", "sign-in", *ENDINGS))


def _decisions(trail: Trail, history: History) -> None:
    for verdict in ("approve", "deny"):
        made = Counter(
            f"{trail.people[entry['actor']['id']]} {entry['subject']}"
            for entry in trail.of("decision.made")
            if entry["data"]["verdict"] == verdict
        )
        _at_most_once(made, history.of(verdict), lambda call: f"{call.who} {call.what}")


def _at_most_once(recorded: Mapping[str, int], calls: Iterable[Call], name: Any) -> None:
    """Exactly once where it was acknowledged or found, not at all where it was refused, else at most once."""
    asked: dict[str, list[Call]] = {}
    for call in calls:
        asked.setdefault(name(call), []).append(call)
    assert all(name in asked for name, count in recorded.items() if count), set(recorded) - set(asked)
    for what, tries in asked.items():
        certain = any(call.outcome is Outcome.ACKNOWLEDGED or call.answer.get("found") for call in tries)
        possible = any(call.outcome is Outcome.UNKNOWN for call in tries)
        assert int(certain) <= recorded.get(what, 0) <= int(certain or possible), (what, recorded.get(what, 0), tries)


def _tokens(trail: Trail, history: History) -> None:
    issued = Counter(entry["data"]["jti"] for entry in trail.of("token.issued"))
    given = history.acknowledged("mint")
    assert all(issued[_claims(call.answer["token"])["jti"]] == 1 for call in given)
    assert len(given) <= issued.total() <= len(given) + len(history.unknown("mint"))


def _sign_ins(trail: Trail, history: History) -> None:
    recorded = Counter(trail.people[entry["subject"]] for entry in trail.of("sign_in.succeeded"))
    done = Counter(call.who for call in history.acknowledged("sign-in"))
    perhaps = Counter(call.who for call in history.unknown("sign-in"))
    for who in recorded | done:
        assert done[who] <= recorded[who] <= done[who] + perhaps[who], (who, recorded, done, perhaps)


def one_end_each(trail: Trail, statuses: Mapping[str, str]) -> int:
    """I3: one terminal decision per request, and the API tells the same."""
    for request, status in statuses.items():
        types = trail.types(request)
        assert sum(types[each] for each in OUTCOMES) <= 1, (request, types)
        assert sum(types[each] for each in ENDS) <= 1, (request, types)
        ended = next((each.removeprefix("request.") for each in ENDS if types[each]), None)
        open_ = "pending" if not types["request.approved"] else "active" if types["request.activated"] else "approved"
        assert status == (ended or open_), (request, status, types)
    return len(statuses)


def mails_arrived(trail: Trail, deliveries: Sequence[Delivery]) -> tuple[int, int]:
    """I4: every queued mail arrived at least once, more often only as the same bytes; the mails and the repetitions."""
    arrived: dict[str, set[bytes]] = {}
    for delivery in deliveries:
        identifier = str(delivery.message["Message-ID"])
        arrived.setdefault(f"sha256:{sha256(identifier.encode()).hexdigest()}", set()).add(delivery.content)
    told = [entry["data"] for entry in trail.of("mail.queued")]
    assert max(Counter(each["message_id"] for each in told if each["kind"] != "digest").values()) == 1
    queued = {each["message_id"] for each in told}
    assert set(arrived) == set(queued), (len(arrived), len(queued), list(queued ^ arrived.keys())[:3])
    assert all(len(contents) == 1 for contents in arrived.values())
    assert not trail.of("mail.failed")
    return len(queued), len(deliveries) - len(arrived)


def nothing_is_valid_outside(trail: Trail, history: History) -> int:
    """I5: no token is active outside its window, or once an end of its grant was acknowledged."""
    ended: dict[str, float] = {}
    for call in history.acknowledged(*ENDINGS):
        ended[call.what] = min(call.ended, ended.get(call.what, call.ended))
    looks = history.acknowledged("introspect")
    for look in looks:
        if look.answer["active"]:
            (grant,) = (entry["data"] for entry in trail.by_request[look.what] if entry["type"] == "request.approved")
            assert look.begun < ended.get(look.what, look.begun + 1), look
            assert _second(grant["not_before"]) <= look.answer["nbf"] + 1, look
            assert look.answer["exp"] <= _second(grant["not_after"]), look
    assert any(look.answer["active"] for look in looks)
    assert any(not look.answer["active"] and look.begun > ended.get(look.what, look.begun) for look in looks)
    return len(looks)


def checkpoints_only_grow(
    trail: Trail, history: History, deliveries: Sequence[Delivery], key: VerifierKey
) -> tuple[int, int]:
    """I6: every checkpoint and receipt is of a beginning of this trail, and later ones are no shorter; how many."""
    seen = [(call, open_checkpoint(call.answer["note"], [key])) for call in history.acknowledged("checkpoint")]
    receipts = [_receipt(delivery, key) for delivery in deliveries]
    for checkpoint in [*(each for _, each in seen), *receipts]:
        assert checkpoint.root == trail.roots[checkpoint.size], checkpoint
    for call, checkpoint in seen:
        earlier = [each.size for other, each in seen if other.ended < call.begun]
        assert checkpoint.size >= max(earlier, default=0), (checkpoint, max(earlier))
        told = [index for index, at in _recorded(trail, history) if at < call.begun]
        assert checkpoint.size > max(told, default=-1), checkpoint
    return len(seen), len(receipts)


def _receipt(delivery: Delivery, key: VerifierKey) -> Checkpoint:
    (part,) = (each for each in delivery.message.walk() if each.get_filename() == "receipt.checkpoint")
    note = part.get_payload(decode=True)
    assert isinstance(note, bytes)
    return open_checkpoint(note, [key])


def _recorded(trail: Trail, history: History) -> list[tuple[int, float]]:
    """Requests by the index of their first entry and the time at which they were acknowledged."""
    return [(trail.by_request[call.answer["id"]][0]["index"], call.ended) for call in history.acknowledged("create")]


def keys_resolve(trail: Trail, history: History) -> tuple[int, int]:
    """I7: one key, one id, one effect; the keys that had broken off, and how many of those had taken effect."""
    tries: dict[str, list[Call]] = {}
    for call in history.of("create"):
        tries.setdefault(call.what, []).append(call)
    broke_off, replayed = 0, 0
    for key, calls in tries.items():
        answers = [call.answer for call in calls if call.outcome is Outcome.ACKNOWLEDGED]
        assert len({answer["id"] for answer in answers}) == 1, key
        assert sum(entry["data"]["case"] == answers[0]["case"] for entry in trail.of("request.created")) == 1, key
        assert all(answer["replayed"] for answer in answers[1:]), key
        if any(call.outcome is Outcome.UNKNOWN for call in calls):
            broke_off += 1
            replayed += answers[0]["replayed"]
        else:
            assert not answers[0]["replayed"], key
    return broke_off, replayed


def _second(at: str) -> float:
    return datetime.fromisoformat(at).timestamp()
