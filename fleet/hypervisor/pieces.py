"""Pure: pieces of a file on its way through the worker, and a digest that can go on after any of them.

A file is a row of blocks of 1 MiB. Its digest is a chain, `SHA-256(chain so far + SHA-256(block))`: unlike a running
SHA-256 its state is 32 bytes that a row can keep, so another worker goes on with it where the one before stopped.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

BLOCK_BYTES = 1 << 20
_ZEROS = bytes(BLOCK_BYTES)
_ZERO_BLOCK = hashlib.sha256(_ZEROS).digest()


@dataclass(frozen=True, slots=True)
class FileFacts:
    """A volume as a mere file, whatever it holds."""

    length_bytes: int
    #: The host's own time of the last change, only to be compared for equality.
    changed_at: str


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a piece: bytes, or a hole of zeros that takes no room and no time."""

    data: bytes = b""
    hole_bytes: int = 0

    @property
    def length(self) -> int:
        """How far it reaches."""
        return len(self.data) or self.hole_bytes


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a file from `offset`; it ends at a block's boundary or at the end of what was asked for."""

    offset: int
    spans: tuple[Span, ...]

    @property
    def length(self) -> int:
        """How much of the file it covers, holes included."""
        return sum(span.length for span in self.spans)

    @property
    def data_bytes(self) -> int:
        """How much of it really travels."""
        return sum(len(span.data) for span in self.spans)

    @property
    def end(self) -> int:
        """The offset behind it."""
        return self.offset + self.length


def span_of(data: bytes) -> Span:
    """What was read as a span; zeros become a hole, so that a file without holes arrives thin all the same."""
    zeros = _ZEROS[: len(data)] if len(data) <= BLOCK_BYTES else bytes(len(data))
    return Span(hole_bytes=len(data)) if data == zeros else Span(data=data)


def chain(so_far: str, piece: Piece) -> str:
    """The chain (hex, "" at the start) behind this piece; pieces must follow each other without a gap."""
    state = bytes.fromhex(so_far)
    for block in _blocks(piece):
        state = hashlib.sha256(state + block).digest()
    return state.hex()


def _blocks(piece: Piece) -> Iterator[bytes]:
    """The digest of each block; whole blocks of zeros cost nothing."""
    digest, filled = hashlib.sha256(), 0
    for span in piece.spans:
        at = 0
        while at < span.length:
            if span.hole_bytes and not filled and span.length - at >= BLOCK_BYTES:
                yield _ZERO_BLOCK
                at += BLOCK_BYTES
                continue
            step = min(BLOCK_BYTES - filled, span.length - at)
            digest.update(_ZEROS[:step] if span.hole_bytes else memoryview(span.data)[at : at + step])
            at, filled = at + step, filled + step
            if filled == BLOCK_BYTES:
                yield digest.digest()
                digest, filled = hashlib.sha256(), 0
    if filled:
        yield digest.digest()
