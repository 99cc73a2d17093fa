"""The passes of a pre-copy: MiB and seconds that can be worked out by hand."""

from __future__ import annotations

import pytest

from fleet.planning.precopy import Copying, Link, Writing, believed, copy, pause_s, writing

MIB = 1 << 20


def copied(mib: float, *, link: float, points: tuple[tuple[float, float], ...] = (), **more: object) -> Copying:
    """A copy in MiB with the usual 300 ms."""
    return copy(
        left_bytes=mib * MIB,
        link=Link(bytes_s=link * MIB, unlimited_bytes_s=max(link, 100) * MIB),
        writes=writing((seconds, size * MIB) for seconds, size in points),
        max_pause_s=0.3,
        **more,  # type: ignore[arg-type]
    )


def test_a_quiet_guest_is_sent_once_but_for_what_the_pause_carries() -> None:
    # 100 MiB at 10 MiB/s, 3 MiB of them in the pause: 9.7 s
    found = copied(100, link=10)
    assert (round(found.seconds, 2), found.passes, found.converges) == (9.7, 1, True)
    assert found.left_bytes == pytest.approx(3 * MIB)


def test_half_the_links_speed_written_doubles_the_time() -> None:
    # 97 + 48.5 + 24.25 + ... = 194 MiB at 10 MiB/s
    found = copied(100, link=10, points=((1, 5),))
    assert found.converges
    assert found.seconds == pytest.approx(19.4, abs=0.3)
    assert found.sent_bytes == pytest.approx(194 * MIB, rel=0.02)


def test_a_guest_that_writes_faster_than_the_link_stands_still() -> None:
    found = copied(100, link=10, points=((1, 12),))
    assert not found.converges


def test_a_small_set_written_at_any_speed_fits_into_the_pause() -> None:
    # 40 MiB/s over 16 MiB, link 100: 30 MiB fit into 300 ms
    found = copied(100, link=100, points=((0.4, 16), (8, 16)))
    assert found.converges
    # (100 - 30) + 16 MiB written meanwhile
    assert found.seconds == pytest.approx(0.86, abs=0.05)
    assert found.left_bytes <= 30 * MIB


def test_a_small_set_that_does_not_fit_into_the_pause_never_ends_and_never_grows() -> None:
    found = copied(100, link=10, points=((0.4, 16), (8, 16)))
    assert not found.converges
    assert found.left_bytes <= 16 * MIB


def test_throttling_ends_what_would_never_end() -> None:
    alone = copied(100, link=10, points=((1, 12),))
    slowed = copied(100, link=10, points=((1, 12),), may_throttle=True)
    assert (alone.converges, slowed.converges) == (False, True)
    assert slowed.throttle_percent >= 20


def test_the_pause_is_what_is_left_at_the_links_full_speed_and_the_hand_over() -> None:
    link = Link(bytes_s=10 * MIB, unlimited_bytes_s=100 * MIB)
    assert pause_s(3 * MIB, link, 0.05) == pytest.approx(0.08)


def test_a_curve_of_writing_flattens_and_never_falls() -> None:
    curve = writing(((1, 10.0), (8, 16.0), (8, 14.0)))
    assert curve == Writing(((1, 10.0), (8, 14.0)))
    assert (curve.within(0.5), curve.within(1), curve.within(4.5)) == (5, 10, 12)
    assert writing(((1, 10.0), (8, 4.0))).within(8) == 10
    assert writing(((1, 5.0), (8, 80.0))).within(8) == 40, "no faster for longer"
    assert writing(()).within(5) == 0


def test_the_set_is_known_where_the_curve_is_flat() -> None:
    assert writing(((1, 15.0), (8, 16.0))).plateau_bytes == 16
    assert writing(((1, 5.0), (8, 16.0))).plateau_bytes == float("inf")


def test_nobody_writes_more_memory_than_there_is() -> None:
    fast = writing([(1.0, 20 * MIB)], most_bytes=96 * MIB)
    assert (fast.within(2), fast.within(1000)) == (40 * MIB, 96 * MIB)


def test_what_is_seen_beats_what_was_measured_before() -> None:
    before, seen = [(1.0, 20 * MIB), (0.2, 1 * MIB)], [(16.0, 16 * MIB)]
    assert writing(before, seen).points == ((0.2, 1 * MIB), (16.0, 16 * MIB))
    assert writing(before, [(16.0, 30 * MIB)]).points[1] == (1.0, 5 * MIB), "what can be true is kept"


def test_what_a_move_saw_is_believed_until_a_measurement_contradicts_it() -> None:
    seen = ((0.5, 3 * MIB), (2.0, 10 * MIB))
    assert believed(((1.0, 8 * MIB),), seen) == seen, "four samples instead of three say nothing"
    assert believed(((1.0, 60 * MIB),), seen) == ((1.0, 60 * MIB),)
    assert believed(((1.0, 0.0),), ((1.0, 60 * MIB),)) == ((1.0, 0.0),)
    assert believed((), seen) == seen
    assert believed(((1.0, 8 * MIB),), ()) == ((1.0, 8 * MIB),)
    assert believed((), ()) == ()
