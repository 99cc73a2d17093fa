"""Pieces of a file: holes, and a digest that can go on after any of them."""

from __future__ import annotations

import hashlib
import random

import pytest

from fleet.hypervisor.pieces import BLOCK_BYTES, Piece, Span, chain, span_of

#: Two and a half blocks: data, zeros, data.
CONTENT = random.Random(5).randbytes(BLOCK_BYTES) + bytes(BLOCK_BYTES) + b"x" * (BLOCK_BYTES // 2)


def plain(content: bytes) -> str:
    """The chain as its definition says, without pieces and holes."""
    state = b""
    for at in range(0, len(content), BLOCK_BYTES):
        state = hashlib.sha256(state + hashlib.sha256(content[at : at + BLOCK_BYTES]).digest()).digest()
    return state.hex()


def piece(offset: int, content: bytes, step: int) -> Piece:
    return Piece(offset=offset, spans=tuple(span_of(content[at : at + step]) for at in range(0, len(content), step)))


@pytest.mark.parametrize("step", [4096, 262_120, BLOCK_BYTES])
def test_the_digest_does_not_depend_on_how_the_file_was_cut(step: int) -> None:
    assert chain("", piece(0, CONTENT, step)) == plain(CONTENT)


def test_it_goes_on_after_any_block() -> None:
    first, second = CONTENT[:BLOCK_BYTES], CONTENT[BLOCK_BYTES:]
    assert chain(chain("", piece(0, first, 4096)), piece(BLOCK_BYTES, second, 4096)) == plain(CONTENT)


def test_a_hole_counts_as_the_zeros_that_it_is() -> None:
    holes = Piece(offset=0, spans=(Span(data=CONTENT[:1000]), Span(hole_bytes=3 * BLOCK_BYTES), Span(data=b"end")))
    assert chain("", holes) == plain(CONTENT[:1000] + bytes(3 * BLOCK_BYTES) + b"end")
    assert (holes.length, holes.data_bytes) == (1003 + 3 * BLOCK_BYTES, 1003)


def test_another_byte_is_another_digest() -> None:
    assert chain("", piece(0, CONTENT[:-1] + b"y", 4096)) != plain(CONTENT)


def test_zeros_are_a_hole_and_anything_else_is_not() -> None:
    assert span_of(bytes(5000)) == Span(hole_bytes=5000)
    assert span_of(bytes(4999) + b"1").data.endswith(b"1")


def test_nothing_has_the_empty_digest() -> None:
    assert chain("", Piece(offset=0, spans=())) == ""
