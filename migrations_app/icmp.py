"""Pure: ICMP echo messages (RFC 792, RFC 4443), built and recognised."""

from __future__ import annotations

import struct

#: Bytes that tell our answers from other programs'; raw sockets hear everybody's.
TOKEN_BYTES = 8
_HEADER = struct.Struct("!BBHHH")
#: Types of question and answer.
V4, V6 = (8, 0), (128, 129)


def question(sequence: int, token: bytes, *, v6: bool = False) -> bytes:
    """An echo request; for IPv6 the kernel fills in the checksum, which covers addresses."""
    kind = (V6 if v6 else V4)[0]
    blank = _HEADER.pack(kind, 0, 0, 0, sequence) + token
    return blank if v6 else _HEADER.pack(kind, 0, checksum(blank), 0, sequence) + token


def answered(packet: bytes, token: bytes, *, v6: bool = False, with_ip_header: bool = False) -> int | None:
    """The sequence number of an answer to one of our questions; None for anything else that came in."""
    if with_ip_header:
        packet = packet[(packet[0] & 0x0F) * 4 :] if packet else b""
    if len(packet) < _HEADER.size + TOKEN_BYTES or packet[_HEADER.size :][:TOKEN_BYTES] != token:
        return None
    kind, code, _, _, sequence = _HEADER.unpack_from(packet)
    return sequence if (kind, code) == ((V6 if v6 else V4)[1], 0) else None


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071) of an even number of bytes."""
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total >> 16) + (total & 0xFFFF)
    return ~total & 0xFFFF
