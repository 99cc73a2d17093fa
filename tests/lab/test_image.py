"""The archive the guests' kernel unpacks."""

from __future__ import annotations

from lab.image import cpio, padded


def test_the_archive_ends_with_its_trailer_and_is_padded() -> None:
    archive = cpio([("init", b"hello", 0o100755)])
    assert archive.startswith(b"070701")
    assert len(archive) % 4 == 0
    assert b"TRAILER!!!" in archive


def test_an_entry_says_its_size_and_mode() -> None:
    archive = cpio([("init", b"hello", 0o100755)])
    assert int(archive[14:22], 16) == 0o100755
    assert int(archive[54:62], 16) == 5


def test_padding_reaches_the_next_multiple_of_four() -> None:
    assert [len(padded(b"x" * n)) for n in range(6)] == [0, 4, 4, 4, 4, 8]
