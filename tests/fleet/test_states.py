"""Which state may follow which."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.states import ACTIVE_GUEST_STATES, FINISHED, MOVES, UNFINISHED, GuestState, JobState, Role, may_follow

#: before -> everything that may come next, written out by hand.
TABLE = {
    "queued": {"running", "cancelled", "failed"},
    "running": {"succeeded", "failed", "cancelled", "unknown"},
    "unknown": {"running", "succeeded", "failed", "cancelled"},
    "succeeded": set(),
    "failed": set(),
    "cancelled": set(),
}


@pytest.mark.parametrize("before", JobState)
@pytest.mark.parametrize("after", JobState)
def test_a_state_follows_only_where_the_table_says_so(before: JobState, after: JobState) -> None:
    assert may_follow(before, after) == (after in TABLE[before])


def test_every_state_is_in_the_table_and_can_be_reached() -> None:
    assert set(MOVES) == set(JobState)
    assert set().union(*MOVES.values()) == set(JobState) - {JobState.QUEUED}


def test_finished_and_unfinished_split_the_states() -> None:
    assert {"succeeded", "failed", "cancelled"} == FINISHED
    assert {"queued", "running", "unknown"} == UNFINISHED


@given(st.lists(st.sampled_from(list(JobState))))
def test_no_walk_ever_leaves_an_end(wishes: list[JobState]) -> None:
    state, ends = JobState.QUEUED, 0
    for wish in wishes:
        if may_follow(state, wish):
            assert state not in FINISHED
            state, ends = wish, ends + (wish in FINISHED)
    assert ends <= 1


def test_an_unknown_word_is_no_state() -> None:
    with pytest.raises(ValueError, match="done"):
        may_follow("running", "done")


def test_a_crashed_guest_owns_no_memory_but_a_paused_one_does() -> None:
    assert GuestState.PAUSED in ACTIVE_GUEST_STATES
    assert not {GuestState.CRASHED, GuestState.SHUTOFF, GuestState.UNKNOWN} & ACTIVE_GUEST_STATES


def test_roles_rank_from_viewer_to_admin() -> None:
    assert sorted(Role, key=lambda role: role.rank) == ["viewer", "operator", "admin"]
