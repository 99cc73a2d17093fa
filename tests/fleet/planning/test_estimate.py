"""What a migration will cost: 1.5 s of handshake, then disks, then memory in passes and a pause of at most 300 ms."""

from __future__ import annotations

import pytest

from fleet.planning.estimate import DEFAULT_LINK_MIB_S, MIB, Experience, forecast

#: memory, disk MiB, link, limit, dirty -> seconds, MiB sent, converges
TABLE: list[tuple[int, int, float | None, int, float | None, float, int, bool | None]] = [
    (1000, 0, 100.0, 0, None, 11.5, 1000, None),  # 1.5 + 1000 / 100; nobody knows how fast the guest writes
    (1000, 500, 100.0, 0, 0.0, 16.5, 1500, True),  # 1.5 + 5 + 10
    (1000, 0, 100.0, 500, 0.0, 11.5, 1000, True),  # a limit above the link changes nothing
    (1000, 0, 100.0, 50, 0.0, 21.3, 1000, True),  # 985 / 50; the last 15 MiB go in the pause, without the limit
    (0, 0, 100.0, 0, 0.0, 1.5, 0, True),
    (1000, 0, 100.0, 0, 100.0, 201.5, 10_700, False),  # no end by itself: a twentieth of the link is left for it
]


@pytest.mark.parametrize(("memory", "disk", "link", "limit", "dirty", "seconds", "sent_mib", "converges"), TABLE)
def test_a_forecast_adds_up(
    memory: int,
    disk: int,
    link: float | None,
    limit: int,
    dirty: float | None,
    seconds: float,
    sent_mib: int,
    converges: bool | None,
) -> None:
    found = forecast(memory_mib=memory, disk_bytes=disk << 20, link_mib_s=link, limit_mib_s=limit, dirty_mib_s=dirty)
    assert (found.duration_s, found.converges) == (seconds, converges)
    if converges is not False:
        assert found.bytes == pytest.approx(sent_mib << 20, abs=1)


def test_a_guest_that_writes_at_half_the_links_speed_takes_twice_as_long() -> None:
    # 970 + 485 + 242 + ... MiB at 100 MiB/s = 19.4 s, and 0.3 s of pause
    found = forecast(memory_mib=1000, disk_bytes=0, link_mib_s=100.0, dirty_mib_s=50.0)
    assert found.duration_s == pytest.approx(1.5 + 19.4 + 0.3, abs=0.2)
    assert found.converges


def test_a_small_set_written_faster_than_the_link_carries_still_ends() -> None:
    # Measured: 16 MiB within one second and within eight. 30 MiB fit into the pause.
    set_of_16 = ((1.0, 16.0 * MIB), (8.0, 16.0 * MIB))
    found = forecast(memory_mib=1000, disk_bytes=0, link_mib_s=100.0, writes=set_of_16)
    assert found.converges
    assert found.duration_s < 12


def test_the_pause_is_what_the_link_carries_in_the_limit_and_the_hand_over() -> None:
    assert forecast(memory_mib=1000, disk_bytes=0, link_mib_s=100.0, dirty_mib_s=0).downtime_ms == 350
    # 10 MiB/s x 0.3 s = 3 MiB, sent at 100 MiB/s
    limited = forecast(memory_mib=1000, disk_bytes=0, link_mib_s=100.0, limit_mib_s=10, dirty_mib_s=0)
    assert limited.downtime_ms == 80


def test_earlier_moves_stand_in_for_guesses() -> None:
    known = Experience(
        moves=5,
        basis="guest and hosts",
        fixed_s=2.0,
        rate_mib_s=50.0,
        hand_over_ms=20,
        memory_share=0.5,
        correction=1.1,
    )
    found = forecast(memory_mib=1000, disk_bytes=0, link_mib_s=None, experience=known)
    # 2 + 1.1 * 500 / 50
    assert (found.duration_s, found.downtime_ms, found.bytes) == (13.0, 320, 500 * MIB)
    assert (found.moves, found.basis) == (5, "guest and hosts")


def test_memory_that_the_guest_never_touched_is_not_sent() -> None:
    assert forecast(memory_mib=1000, disk_bytes=0, link_mib_s=100, used_mib=300).bytes == 300 * MIB
    assert forecast(memory_mib=1000, disk_bytes=0, link_mib_s=100, used_mib=3000).bytes == 1000 * MIB


def test_without_a_known_link_a_gigabit_is_assumed() -> None:
    # 1000 Mbit/s = 125 MB/s = 119.2 MiB/s; 1192 MiB take 10 s
    assert round(DEFAULT_LINK_MIB_S, 1) == 119.2
    assert forecast(memory_mib=1192, disk_bytes=0, link_mib_s=None).duration_s == 11.5


def test_a_forecast_becomes_the_document_of_the_api() -> None:
    assert forecast(memory_mib=1000, disk_bytes=0, link_mib_s=100).document() == {
        "duration_s": 11.5,
        "downtime_ms": 350,
        "bytes": 1000 << 20,
        "converges": None,
        "throttle_percent": 0,
        "fixed_s": 1.5,
        "copying_s": 10.0,
        "rate_mib_s": 100.0,
        "memory_share": 1.0,
        "hand_over_ms": 50.0,
        "moves": 0,
        "basis": "",
    }


def test_a_guest_that_writes_four_times_what_is_carried_is_slowed_down_within_minutes_not_years() -> None:
    found = forecast(memory_mib=96, disk_bytes=0, link_mib_s=5.0, dirty_mib_s=20.0, may_throttle=True)
    assert found.converges
    assert found.throttle_percent >= 80
    assert 60 < found.duration_s < 600
