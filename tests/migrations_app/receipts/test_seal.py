"""A receipt that was changed by one letter is told from the one that was signed."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from migrations_app.receipts import own_key, seal

RECEIPT = {
    "guest": "wéb",
    "source": "alpha",
    "destination": "beta",
    "finished_at": "2026-11-25T10:00:00.000Z",
    "proven": True,
    "downtime_ms": 12,
    "timings_ms": {"verified": 101.5},
    "evidence": [{"what": "single copy", "outcome": "proven"}],
    "outage_ms": None,
}


def signed() -> dict[str, Any]:
    return seal.exported(RECEIPT, own_key.signed(RECEIPT))


def checked(document: Any) -> seal.Verdict:
    return seal.check(document, seal.read_pem(own_key.public_pem()))


def test_what_was_signed_is_genuine_even_after_a_stay_in_a_file() -> None:
    assert checked(json.loads(json.dumps(signed(), indent=2))).genuine


@pytest.mark.parametrize(
    "path",
    [("guest",), ("downtime_ms",), ("proven",), ("timings_ms", "verified"), ("evidence", 0, "outcome"), ("outage_ms",)],
    ids=str,
)
def test_any_change_is_found(path: tuple[Any, ...]) -> None:
    document = copy.deepcopy(signed())
    *outer, last = ["receipt", *path]
    place = document
    for step in outer:
        place = place[step]
    place[last] = "tampered"
    assert not checked(document).genuine


def test_a_line_left_out_is_found() -> None:
    document = copy.deepcopy(signed())
    document["receipt"]["evidence"].clear()
    assert not checked(document).genuine


def test_another_key_proves_nothing_and_is_named() -> None:
    stranger = seal.private_key("another installation").public_key()
    verdict = seal.check(signed(), stranger)
    assert not verdict.genuine
    assert seal.key_id(stranger) in verdict.words


def test_a_signature_that_is_no_base64_is_false_and_no_fault() -> None:
    document = copy.deepcopy(signed())
    document["signature"]["value"] = "???"
    assert not checked(document).genuine


@pytest.mark.parametrize("document", [[], {}, {"kind": "other"}, {"kind": seal.KIND, "receipt": 1}], ids=str)
def test_another_kind_of_file_is_refused_in_words(document: Any) -> None:
    with pytest.raises(seal.BadReceipt, match="no exported receipt"):
        checked(document)


def test_the_same_secret_is_the_same_key_for_ever() -> None:
    assert seal.key_id(seal.private_key("a secret").public_key()) == "73b83a94fcb8b7fe"


def test_the_command_says_true_or_false_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, key = tmp_path / "receipt.json", tmp_path / "key.pem"
    file.write_text(json.dumps(signed()))
    key.write_text(own_key.public_pem())
    call_command("verify_receipt", str(file), key=key)
    assert "Genuine, signed with the key" in capsys.readouterr().out
    file.write_text(json.dumps(signed()).replace("alpha", "gamma"))
    with pytest.raises(CommandError, match=r"NOT GENUINE\. The signature does not fit"):
        call_command("verify_receipt", str(file))
    file.write_text("no JSON")
    with pytest.raises(CommandError, match="NOT GENUINE"):
        call_command("verify_receipt", str(file))
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("verify_receipt", str(tmp_path / "nothing"))
