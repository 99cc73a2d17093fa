"""Echo messages as they go over the wire."""

from __future__ import annotations

import pytest

from migrations_app import icmp

TOKEN = b"12345678"


def reply(sequence: int, *, kind: int = 0, token: bytes = TOKEN) -> bytes:
    return bytes([kind, 0, 0, 0, 9, 9]) + sequence.to_bytes(2, "big") + token


def test_a_question_has_a_checksum_that_adds_up() -> None:
    assert icmp.checksum(icmp.question(513, TOKEN)) == 0
    assert icmp.checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0x220D, "the example of RFC 1071"


def test_an_answer_to_us_is_recognised_with_and_without_an_ip_header() -> None:
    assert icmp.answered(reply(7), TOKEN) == 7
    header = bytes([0x46]) + bytes(23)  # 24 bytes, with an option
    assert icmp.answered(header + reply(7), TOKEN, with_ip_header=True) == 7
    assert icmp.answered(reply(7, kind=129), TOKEN, v6=True) == 7


@pytest.mark.parametrize(
    "packet", [b"", b"\x00" * 7, reply(7, kind=8), reply(7, kind=3), reply(7, token=b"87654321")], ids=repr
)
def test_anything_else_is_none_of_ours(packet: bytes) -> None:
    assert icmp.answered(packet, TOKEN) is None


def test_a_truncated_ip_packet_is_no_fault() -> None:
    assert icmp.answered(b"", TOKEN, with_ip_header=True) is None
    assert icmp.answered(b"\x4f", TOKEN, with_ip_header=True) is None
