"""Pure: how good a place a host is for one guest; one visible table of weights."""

from __future__ import annotations

from dataclasses import dataclass

#: What counts how much; the score is the weighted sum in 0..100.
WEIGHTS = {
    "memory": 45,  # room left after the guest is there, as a share of the host's memory
    "cpu": 30,  # idle share of the host's CPUs
    "same_site": 15,  # a short way, and the same neighbours afterwards
    "no_copy": 10,  # disks that need not travel
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """A candidate host in numbers."""

    memory_mib: int
    memory_free_mib: int
    cpu_percent: float | None
    same_site: bool
    bytes_to_copy: int


def score(place: Place, *, guest_memory_mib: int) -> int:
    """0 (worst) to 100 (best); an unknown CPU load counts as half."""
    left = max(place.memory_free_mib - guest_memory_mib, 0) / max(place.memory_mib, 1)
    idle = 0.5 if place.cpu_percent is None else max(0.0, 1 - place.cpu_percent / 100)
    parts = {
        "memory": min(left, 1.0),
        "cpu": idle,
        "same_site": 1.0 if place.same_site else 0.0,
        "no_copy": 1.0 if place.bytes_to_copy == 0 else 0.0,
    }
    return round(sum(WEIGHTS[name] * part for name, part in parts.items()))
