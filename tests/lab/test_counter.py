"""Whether a lost write or a guest that ran twice is noticed."""

from __future__ import annotations

from lab import counter


def log(*numbers: int) -> bytes:
    return b"READY 1000 1\r\n" + b"".join(b"COUNT %d %d\r\n" % (n, n * 20) for n in numbers)


def disk(*numbers: int) -> bytes:
    ring = bytearray(counter.RING * counter.SECTOR)
    for n in numbers:
        slot = n % counter.RING * counter.SECTOR
        ring[slot : slot + counter.SECTOR] = counter.record(n)
    return bytes(ring)


def test_a_disk_that_has_all_that_was_acknowledged_is_good() -> None:
    verdict = counter.judge(log(1, 2, 3), disk(1, 2, 3))
    assert verdict.ok
    assert (verdict.acknowledged, verdict.on_disk) == (3, 3)


def test_a_disk_may_be_ahead_of_the_log() -> None:
    assert counter.judge(log(1, 2, 3), disk(1, 2, 3, 4, 5)).ok


def test_a_lost_write_at_the_end_is_noticed() -> None:
    assert counter.judge(log(1, 2, 3), disk(1, 2)).lost == (3,)


def test_a_lost_write_in_the_middle_is_noticed() -> None:
    assert counter.judge(log(1, 2, 3), disk(1, 3)).lost == (2,)


def test_a_slot_that_kept_its_record_of_the_last_round_is_noticed() -> None:
    last = counter.RING + 5
    kept = [n for n in range(1, last + 1) if n != last - 2]
    assert counter.judge(log(*range(1, last + 1)), disk(*kept)).lost == (last - 2,)


def test_a_slot_overwritten_while_the_disk_was_read_is_no_loss() -> None:
    assert counter.judge(log(*range(1, 100)), disk(*range(1, counter.RING + 10))).ok


def test_a_torn_record_counts_as_lost() -> None:
    ring = bytearray(disk(1, 2, 3))
    ring[2 * counter.SECTOR + 9] ^= 1
    assert counter.judge(log(1, 2, 3), bytes(ring)).lost == (2,)


def test_a_guest_that_ran_twice_is_noticed() -> None:
    assert counter.judge(log(1, 2, 3, 3, 4), disk(1, 2, 3, 4)).repeated == (3,)


def test_a_line_that_did_not_reach_the_log_is_no_loss() -> None:
    verdict = counter.judge(log(1, 3), disk(1, 2, 3))
    assert verdict.ok
    assert verdict.unprinted == 1


def test_a_half_line_at_the_end_is_not_read() -> None:
    assert counter.judge(log(1, 2) + b"COUNT 3", disk(1, 2)).acknowledged == 2


def test_a_guest_that_never_counted_is_not_called_good() -> None:
    assert not counter.judge(b"", disk()).ok


def test_the_longest_pause() -> None:
    assert counter.pauses([0.0, 0.01, 0.26, 0.27]) == 0.25
    assert counter.pauses([]) == 0
