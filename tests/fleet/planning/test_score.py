"""How good a place is: memory 45, CPU 30, same site 15, nothing to copy 10."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.planning.score import WEIGHTS, Place, score


def place(**changes: Any) -> Place:
    values: dict[str, Any] = {
        "memory_mib": 1000,
        "memory_free_mib": 1000,
        "cpu_percent": 0.0,
        "same_site": True,
        "bytes_to_copy": 0,
    }
    return Place(**values | changes)


TABLE: list[tuple[dict[str, Any], int, int]] = [
    ({}, 0, 100),  # 45 + 30 + 15 + 10
    ({}, 200, 91),  # (1000 - 200) / 1000 * 45 = 36; 36 + 55
    ({"cpu_percent": 50.0}, 0, 85),  # 45 + 15 + 25
    ({"cpu_percent": None}, 0, 85),  # unknown counts as half
    ({"cpu_percent": 130.0}, 0, 70),  # more than full is full
    ({"same_site": False}, 0, 85),
    ({"bytes_to_copy": 1}, 0, 90),
    ({"memory_free_mib": 100}, 200, 55),  # no room left: 0 + 30 + 25
    ({"memory_mib": 0, "memory_free_mib": 0}, 200, 55),  # a host nobody has measured yet
    ({"memory_free_mib": 0, "cpu_percent": 100.0, "same_site": False, "bytes_to_copy": 9}, 0, 0),
]


@pytest.mark.parametrize(("changes", "guest", "points"), TABLE)
def test_the_score_is_the_weighted_sum(changes: dict[str, Any], guest: int, points: int) -> None:
    assert score(place(**changes), guest_memory_mib=guest) == points


def test_the_weights_are_a_hundred_points() -> None:
    assert sum(WEIGHTS.values()) == 100


@given(
    st.integers(0, 1 << 40),
    st.integers(-(1 << 40), 1 << 40),
    st.none() | st.floats(0, 6400),
    st.booleans(),
    st.integers(0, 1 << 60),
    st.integers(0, 1 << 40),
)
def test_a_score_lies_between_nothing_and_a_hundred(
    memory: int, free: int, cpu: float | None, same: bool, copy: int, guest: int
) -> None:
    somewhere = Place(memory_mib=memory, memory_free_mib=free, cpu_percent=cpu, same_site=same, bytes_to_copy=copy)
    assert 0 <= score(somewhere, guest_memory_mib=guest) <= 100
