from __future__ import annotations

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from app.trail import note
from app.trail.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from app.trail.cosignature import Cosignature, CosignerKey, cosigned_message, verify_cosignatures

LOG = note.Signer.from_seed("countersign.example/01EXU_INST", bytes(32))
SIGNED = note.parse(sign_checkpoint(Checkpoint(LOG.name, 42, bytes(range(32))), LOG))
PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes([7] * 32))
WITNESS = CosignerKey("witness.example/w1", PRIVATE.public_key().public_bytes_raw())
OTHER = CosignerKey("witness.example/w2", WITNESS.public)
TIME = 1_679_315_147


def cosignature(time: int = TIME, text: str = SIGNED.text) -> note.Signature:
    payload = time.to_bytes(8) + PRIVATE.sign(cosigned_message(text, time))
    return note.Signature(WITNESS.name, WITNESS.key_id, payload)


def with_lines(*lines: note.Signature) -> note.Note:
    return note.parse(replace(SIGNED, signatures=SIGNED.signatures + lines).to_bytes())


def test_the_message_is_header_time_and_note_text() -> None:
    assert cosigned_message("origin\n1\nroot\n", TIME) == b"cosignature/v1\ntime 1679315147\norigin\n1\nroot\n"


def test_a_cosignature_verifies_and_tells_its_time() -> None:
    signed = with_lines(cosignature())
    assert verify_cosignatures(signed, [WITNESS, OTHER]) == (Cosignature(WITNESS, TIME),)
    assert open_checkpoint(signed.to_bytes(), [LOG.verifier]).size == 42


def test_no_known_witness_is_no_error() -> None:
    assert verify_cosignatures(SIGNED, [WITNESS]) == ()
    assert verify_cosignatures(with_lines(cosignature()), [OTHER]) == ()


@pytest.mark.parametrize(
    "line",
    [
        cosignature(text="another\n"),
        replace(cosignature(), payload=cosignature().payload[:-1]),
        replace(cosignature(), payload=cosignature().payload + b"\0"),
        replace(cosignature(), payload=(TIME + 1).to_bytes(8) + cosignature().payload[8:]),
        replace(cosignature(), payload=PRIVATE.sign(SIGNED.text.encode())),
        cosignature(time=2**63),
        replace(cosignature(), payload=b"\0"),
    ],
)
def test_a_witness_whose_cosignature_fails_rejects_the_note(line: note.Signature) -> None:
    for signed in (with_lines(line), with_lines(cosignature(), line)):
        with pytest.raises(note.NoteError):
            verify_cosignatures(signed, [WITNESS])


def test_keys_of_logs_and_of_witnesses_are_not_taken_for_each_other() -> None:
    assert CosignerKey.parse(WITNESS.vkey) == WITNESS
    with pytest.raises(note.NoteError):
        note.VerifierKey.parse(WITNESS.vkey)
    with pytest.raises(note.NoteError):
        CosignerKey.parse(LOG.verifier.vkey)
    same = note.VerifierKey(WITNESS.name, WITNESS.public)
    assert same.key_id != WITNESS.key_id
    with pytest.raises(note.NoteError):
        note.verify(with_lines(cosignature()), [same])
