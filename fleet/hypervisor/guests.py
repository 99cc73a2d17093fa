"""Pure: libvirt's bulk statistics -> states, sizes and counters of guests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fleet.hypervisor import codes
from fleet.hypervisor.facts import GuestGlimpse, GuestStatistics

Statistics = Mapping[str, Any]


def glimpse(*, uuid: str, name: str, persistent: bool, statistics: Statistics) -> GuestGlimpse:
    """A guest's state from its `state.` numbers."""
    number = int(statistics.get("state.state", 0))
    return GuestGlimpse(
        uuid=uuid,
        name=name,
        state=codes.state(number),
        persistent=persistent,
        reason=codes.reason(number, int(statistics.get("state.reason", 0))),
    )


def disk_sizes(statistics: Statistics) -> dict[str, tuple[int, int]]:
    """Disk target -> (capacity, bytes really taken on the host's storage)."""
    found: dict[str, tuple[int, int]] = {}
    for prefix in _numbered(statistics, "block"):
        # Important: entries of backing files repeat the disk's name and follow it. "backingIndex" tells nothing: it
        # counts the images of all disks of the guest, from the last disk to the first.
        if (name := str(statistics.get(f"{prefix}.name", ""))) and name not in found:
            # "allocation" is how far a running guest has written; "physical" is what the file takes.
            taken = statistics.get(f"{prefix}.physical", statistics.get(f"{prefix}.allocation", 0))
            found[name] = (int(statistics.get(f"{prefix}.capacity", 0)), int(taken))
    return found


def counters(uuid: str, statistics: Statistics) -> GuestStatistics:
    """Cumulative counters of a running guest; what libvirt left out counts as 0."""
    blocks, cards = list(_numbered(statistics, "block")), list(_numbered(statistics, "net"))
    return GuestStatistics(
        uuid=uuid,
        cpu_time_ns=int(statistics.get("cpu.time", 0)),
        memory_used_mib=_memory_used_mib(statistics),
        disk_read_bytes=_total(statistics, blocks, "rd.bytes"),
        disk_write_bytes=_total(statistics, blocks, "wr.bytes"),
        net_rx_bytes=_total(statistics, cards, "rx.bytes"),
        net_tx_bytes=_total(statistics, cards, "tx.bytes"),
    )


def _memory_used_mib(statistics: Statistics) -> int | None:
    """What the guest itself uses where its balloon driver tells, else what it takes on the host."""
    if "balloon.available" in statistics and "balloon.unused" in statistics:
        return int(statistics["balloon.available"] - statistics["balloon.unused"]) // 1024
    return int(statistics["balloon.rss"]) // 1024 if "balloon.rss" in statistics else None


def _numbered(statistics: Statistics, family: str) -> Iterator[str]:
    return (f"{family}.{index}" for index in range(int(statistics.get(f"{family}.count", 0))))


def _total(statistics: Statistics, prefixes: list[str], name: str) -> int:
    return sum(int(statistics.get(f"{prefix}.{name}", 0)) for prefix in prefixes)
