from __future__ import annotations

from base64 import b64encode
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.trail import note
from app.trail.checkpoint import Checkpoint, CheckpointError, open_checkpoint, sign_checkpoint
from app.trail.hashing import EMPTY_ROOT

ORIGIN = "countersign.example/01EXU_INST"
ROOT = bytes(range(32))
ROOT64 = b64encode(ROOT).decode()
OLD = note.Signer.from_seed(ORIGIN, bytes(32))
NEW = note.Signer.from_seed(ORIGIN, bytes([1] * 32))
OTHER = note.Signer.from_seed("countersign.example/02OTHER", bytes([2] * 32))
CHECKPOINT = Checkpoint(ORIGIN, 42, ROOT)


def test_a_checkpoint_is_three_lines() -> None:
    assert CHECKPOINT.text() == f"countersign.example/01EXU_INST\n42\n{ROOT64}\n"


def test_a_signed_checkpoint_opens_with_its_key() -> None:
    data = sign_checkpoint(CHECKPOINT, OLD)
    assert open_checkpoint(data, [OLD.verifier]) == CHECKPOINT
    assert data.startswith(CHECKPOINT.text().encode() + b"\n" + f"— {ORIGIN} ".encode())


def test_while_a_key_is_rotated_either_opens_it() -> None:
    data = sign_checkpoint(CHECKPOINT, OLD, NEW)
    for keys in ([OLD.verifier], [NEW.verifier], [NEW.verifier, OLD.verifier]):
        assert open_checkpoint(data, keys) == CHECKPOINT


def test_a_checkpoint_of_another_origin_is_refused_though_its_signature_holds() -> None:
    data = note.sign(CHECKPOINT.text(), [OTHER])
    with pytest.raises(CheckpointError):
        open_checkpoint(data, [OTHER.verifier])
    with pytest.raises(CheckpointError):
        open_checkpoint(data, [OLD.verifier])
    with pytest.raises(CheckpointError):
        open_checkpoint(sign_checkpoint(CHECKPOINT, OLD), [])


def test_a_second_key_may_sign_beside_the_origin() -> None:
    data = note.sign(CHECKPOINT.text(), [OTHER, OLD])
    assert open_checkpoint(data, [OTHER.verifier, OLD.verifier]) == CHECKPOINT


def test_a_checkpoint_is_signed_under_its_origin_only() -> None:
    with pytest.raises(CheckpointError):
        sign_checkpoint(CHECKPOINT, OTHER)
    with pytest.raises(CheckpointError):
        sign_checkpoint(CHECKPOINT, OLD, OTHER)
    with pytest.raises(CheckpointError):
        sign_checkpoint(CHECKPOINT)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        f"{ORIGIN}\n42\n{ROOT64}",
        f"{ORIGIN}\n42\n{ROOT64}\n\n",
        f"{ORIGIN}\n42\n{ROOT64}\nextension\n",
        f"\n42\n{ROOT64}\n",
        f"{ORIGIN}\n{ROOT64}\n",
        f"{ORIGIN}\n\n{ROOT64}\n",
        f"{ORIGIN} x\n42\n{ROOT64}\n",
        f"{ORIGIN}+x\n42\n{ROOT64}\n",
        f"{ORIGIN}\n042\n{ROOT64}\n",
        f"{ORIGIN}\n+42\n{ROOT64}\n",
        f"{ORIGIN}\n-42\n{ROOT64}\n",
        f"{ORIGIN}\n4_2\n{ROOT64}\n",
        f"{ORIGIN}\n42 \n{ROOT64}\n",
        f"{ORIGIN}\n 42\n{ROOT64}\n",
        f"{ORIGIN}\n4.2\n{ROOT64}\n",
        f"{ORIGIN}\n0x2a\n{ROOT64}\n",
        f"{ORIGIN}\n٤٢\n{ROOT64}\n",
        f"{ORIGIN}\n9223372036854775808\n{ROOT64}\n",
        f"{ORIGIN}\n{'9' * 5000}\n{ROOT64}\n",
        f"{ORIGIN}\n42\n{ROOT64[:-1]}\n",
        f"{ORIGIN}\n42\n{ROOT64}=\n",
        f"{ORIGIN}\n42\n{ROOT64[:-2]}9=\n",
        f"{ORIGIN}\n42\n{b64encode(ROOT[:31]).decode()}\n",
        f"{ORIGIN}\n42\n{b64encode(ROOT + b'x').decode()}\n",
        f"{ORIGIN}\n42\n{ROOT.hex()}\n",
        f"{ORIGIN}\r\n42\r\n{ROOT64}\r\n",
        f"{ORIGIN}\n0\n{ROOT64}\n",
    ],
    ids=lambda text: ascii(text[:60]),
)
def test_any_other_form_is_no_checkpoint(text: str) -> None:
    with pytest.raises(CheckpointError):
        Checkpoint.parse(text)
    if text.endswith("\n") and "\r" not in text:
        with pytest.raises(CheckpointError):
            open_checkpoint(note.sign(text, [OLD]), [OLD.verifier])


@pytest.mark.parametrize("data", [b"", b"\xff", b"text", CHECKPOINT.text().encode()])
def test_what_is_no_note_is_no_checkpoint(data: bytes) -> None:
    with pytest.raises(CheckpointError):
        open_checkpoint(data, [OLD.verifier])


def test_the_empty_tree_and_the_largest_have_checkpoints() -> None:
    for checkpoint in (Checkpoint(ORIGIN, 0, EMPTY_ROOT), Checkpoint(ORIGIN, 2**63 - 1, ROOT)):
        assert Checkpoint.parse(checkpoint.text()) == checkpoint


@pytest.mark.parametrize(
    "wrong", [{"origin": "a b"}, {"origin": ""}, {"size": -1}, {"size": 2**63}, {"root": b""}, {"size": 0}], ids=str
)
def test_no_log_can_have_such_a_checkpoint(wrong: dict[str, object]) -> None:
    with pytest.raises(CheckpointError):
        replace(CHECKPOINT, **wrong)  # type: ignore[arg-type] # one wrong value of each kind


@given(st.integers(1, 2**63 - 1), st.binary(min_size=32, max_size=32))
def test_checkpoints_come_back(size: int, root: bytes) -> None:
    checkpoint = Checkpoint(ORIGIN, size, root)
    assert Checkpoint.parse(checkpoint.text()) == checkpoint
    assert open_checkpoint(sign_checkpoint(checkpoint, OLD), [OLD.verifier]) == checkpoint


@given(
    st.text(max_size=80) | st.lists(st.sampled_from([ORIGIN, "\n", "42", "0", ROOT64, "="]), max_size=8).map("".join)
)
def test_reading_gives_a_checkpoint_that_writes_back_or_its_one_error(text: str) -> None:
    try:
        checkpoint = Checkpoint.parse(text)
    except CheckpointError:
        return
    assert checkpoint.text() == text
