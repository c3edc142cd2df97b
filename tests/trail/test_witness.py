"""What log and witness say to each other, byte for byte."""

from __future__ import annotations

import pytest

from app.trail import note
from app.trail.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from app.trail.cosignature import CosignerKey, verify_cosignatures
from app.trail.witness import WitnessError, attach, read_answer, read_size, request
from tests.fixtures.witness import Witness

LOG = note.Signer.from_seed("countersign.example/01EXU_INST", bytes(32))
TREE = Checkpoint(LOG.name, 42, bytes(range(32)))
SIGNED = sign_checkpoint(TREE, LOG)
WITNESS = Witness(clock=lambda: 1_795_000_000.5)
KEY = CosignerKey.parse(WITNESS.vkey)
LINE = WITNESS.cosign(TREE.text())
OTHER = Witness(name="witness.example/w2", seed=bytes([8]) * 32)


def test_a_submission_is_size_proof_blank_line_and_checkpoint() -> None:
    body = request(41, [bytes(32), bytes([1]) * 32], SIGNED)
    zeros, ones = "A" * 43 + "=", "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
    assert body == f"old 41\n{zeros}\n{ones}\n\n".encode() + SIGNED
    assert request(0, [], SIGNED) == b"old 0\n\n" + SIGNED
    request(1, [bytes(32)] * 63, SIGNED)
    with pytest.raises(WitnessError):
        request(1, [bytes(32)] * 64, SIGNED)


def test_a_cosignature_is_taken_and_tells_its_time_beside_lines_of_others() -> None:
    for body in (LINE, OTHER.cosign(TREE.text()) + LINE, LINE + "— somebody AAAAAAAA\n"):
        found = read_answer(body.encode(), SIGNED, KEY)
        assert (found.line, found.time) == (LINE, 1_795_000_000)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\n",
        b"no signature\n",
        LINE[:-1].encode(),
        OTHER.cosign(TREE.text()).encode(),
        WITNESS.cosign("another\n").encode(),
        (WITNESS.cosign("another\n") + LINE).encode(),
        Witness(clock=lambda: 0).cosign(TREE.text()).encode(),
        f"more text\n\n{LINE}".encode(),
        b"\xff" + LINE.encode(),
        LINE.encode() * 1000,
    ],
)
def test_what_is_no_cosignature_of_this_witness_is_refused(body: bytes) -> None:
    with pytest.raises(WitnessError):
        read_answer(body, SIGNED, KEY)


def test_the_size_that_a_witness_knows_is_read_strictly() -> None:
    assert read_size("text/x.tlog.size", b"0\n") == 0
    assert read_size("Text/X.tlog.size; charset=utf-8", b"20852014\n") == 20852014
    bad = [b"", b"7", b"07\n", b"-1\n", b"7\n\n", b"+7\n", b"7 \n", b"9" * 19 + b"\n", "٧\n".encode()]
    for body in bad:
        with pytest.raises(WitnessError):
            read_size("text/x.tlog.size", body)
    with pytest.raises(WitnessError):
        read_size("text/plain", b"7\n")


def test_kept_cosignatures_are_attached_where_they_hold() -> None:
    whole = attach(SIGNED, [(WITNESS.vkey, LINE), (OTHER.vkey, OTHER.cosign(TREE.text()))])
    assert whole.startswith(SIGNED)
    assert open_checkpoint(whole, [LOG.verifier]) == TREE
    keys = [KEY, CosignerKey.parse(OTHER.vkey)]
    assert {each.key for each in verify_cosignatures(note.parse(whole), keys)} == set(keys)


@pytest.mark.parametrize(
    "kept",
    [
        (OTHER.vkey, LINE),
        (WITNESS.vkey, WITNESS.cosign("another\n")),
        (WITNESS.vkey, "rubbish"),
        ("rubbish", LINE),
        (WITNESS.vkey, LINE + LINE),
    ],
)
def test_kept_lines_that_do_not_hold_are_left_out(kept: tuple[str, str]) -> None:
    assert attach(SIGNED, [kept]) == SIGNED
