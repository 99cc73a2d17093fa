"""What a migration will cost: 1.5 s of handshake, then disks, then memory over what the guest leaves of the link."""

from __future__ import annotations

import pytest

from fleet.planning.estimate import DEFAULT_LINK_MIB_S, forecast

#: memory, disk MiB, link, limit, dirty -> seconds, MiB sent, converges
TABLE: list[tuple[int, int, float | None, int, float | None, float, int, bool | None]] = [
    (1000, 0, 100.0, 0, None, 11.5, 1000, None),  # 1.5 + 1000 / 100; nobody knows how fast the guest writes
    (1000, 500, 100.0, 0, 0.0, 16.5, 1500, True),  # 1.5 + 5 + 10
    (1000, 0, 100.0, 50, 0.0, 21.5, 1000, True),  # the limit is below the link: 1.5 + 1000 / 50
    (1000, 0, 100.0, 500, 0.0, 11.5, 1000, True),  # a limit above the link changes nothing
    (1000, 0, 100.0, 0, 50.0, 21.5, 2000, True),  # 1000 / (100 - 50) = 20 s at 100 MiB/s
    (1000, 0, 100.0, 0, 100.0, 201.5, 20_000, False),  # no end by itself: 1000 / 5, with a twentieth of the link
    (1000, 0, 100.0, 0, 900.0, 201.5, 20_000, False),
    (0, 0, 100.0, 0, 0.0, 1.5, 0, True),
]


@pytest.mark.parametrize(("memory", "disk", "link", "limit", "dirty", "seconds", "sent_mib", "converges"), TABLE)
def test_a_forecast_is_the_textbook_sum(
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
    assert (found.duration_s, found.bytes, found.converges) == (seconds, sent_mib << 20, converges)


def test_without_a_known_link_a_gigabit_is_assumed() -> None:
    # 1000 Mbit/s = 125 MB/s = 119.2 MiB/s; 1192 MiB take 10 s
    assert round(DEFAULT_LINK_MIB_S, 1) == 119.2
    assert forecast(memory_mib=1192, disk_bytes=0, link_mib_s=None).duration_s == 11.5


def test_a_forecast_becomes_the_document_of_the_api() -> None:
    assert forecast(memory_mib=1000, disk_bytes=0, link_mib_s=100).document() == {
        "duration_s": 11.5,
        "downtime_ms": 30,
        "bytes": 1000 << 20,
        "converges": None,
    }
