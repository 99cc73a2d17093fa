"""Decisions about running migrations, on simulated pre-copy: promises are kept, everything ends, nothing is free."""

from __future__ import annotations

import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from fleet.hypervisor.facts import JobSample
from migrations_app import bearings
from migrations_app.bearings import Abilities, Standing, budget_ms, most_throttle_percent
from migrations_app.convergence import Action, decide
from migrations_app.course import Passes
from migrations_app.terms import Terms
from tests.migrations_app.precopy import Simulation

LINK_MIB_S = 24.0
POLICIES = {
    "balanced": Terms(),
    "gentle": Terms(may_throttle=False),
    "must move": Terms(may_post_copy=True),
    "may pause": Terms(max_pause_ms=5000, may_pause=True, may_throttle=False),
}
#: Policy and share of the link that the guest writes -> how it must end.
TABLE = [
    *[(name, percent, "finished") for name in POLICIES for percent in (0, 20, 50, 80, 95)],
    ("balanced", 120, "finished"),
    ("gentle", 120, "given up"),
    ("must move", 120, "post-copy"),
    ("may pause", 120, "finished"),
]


@pytest.mark.parametrize(("policy", "percent", "how"), TABLE)
def test_every_policy_ends_as_it_says_and_keeps_its_pause(policy: str, percent: int, how: str) -> None:
    ending = Simulation(terms=POLICIES[policy], writes_mib_s=LINK_MIB_S * percent / 100).run()
    assert ending.how == how, ending.decisions
    assert ending.pause_ms <= POLICIES[policy].max_pause_ms
    assert ending.duration_s < 120


#: Shrinking simulations takes minutes and tells little more.
@settings(max_examples=60, deadline=None, phases=(Phase.explicit, Phase.generate))
@example(  # the link was being measured anew when a pass ended
    promised=100, deadline=0, throttle=True, post_copy=True, pause=True, percent=25, link=3.0, set_mib=60, disk_mib=0
)
@example(  # a pause of seconds was allowed when few were left
    promised=6698,
    deadline=60,
    throttle=False,
    post_copy=False,
    pause=False,
    percent=23,
    link=3.0,
    set_mib=97,
    disk_mib=0,
)
@given(
    promised=st.integers(100, 10_000),
    deadline=st.sampled_from([0, 20, 60]),
    throttle=st.booleans(),
    post_copy=st.booleans(),
    pause=st.booleans(),
    percent=st.integers(0, 150),
    link=st.sampled_from([3.0, 24.0, 110.0, 1100.0]),
    set_mib=st.integers(1, 120),
    disk_mib=st.sampled_from([0, 200]),
)
def test_whatever_the_guest_writes_the_promise_is_kept_and_the_deadline_too(
    promised: int,
    deadline: int,
    throttle: bool,
    post_copy: bool,
    pause: bool,
    percent: int,
    link: float,
    set_mib: int,
    disk_mib: int,
) -> None:
    terms = Terms(
        max_pause_ms=promised,
        max_duration_s=deadline,
        may_throttle=throttle,
        may_post_copy=post_copy,
        may_pause=pause,
    )
    simulation = Simulation(
        terms=terms, link_mib_s=link, writes_mib_s=link * percent / 100, set_mib=set_mib, disk_mib=disk_mib
    )
    ending = simulation.run()
    assert ending.how != "never", ending.decisions
    # Below what a hand-over takes at all (50 ms, a burst of 100 ms, 10 ms of QEMU's least limit) nothing can be kept.
    assert ending.pause_ms <= max(promised, 210) + 5, ending.decisions
    if deadline and ending.how != "post-copy":
        assert ending.duration_s <= deadline + 0.5, ending.decisions
    if not post_copy:
        assert Action.POST_COPY not in ending.actions
    if not pause:
        assert Action.PAUSE not in ending.actions


@given(st.integers(0, 100_000), st.integers(0, 100_000), st.sampled_from([0.0, 2e6, 2e7, 1e9]))
def test_a_longer_promise_never_allows_less(one: int, other: int, link: float) -> None:
    low, high = sorted((one or 10**6, other or 10**6))
    limits = [budget_ms(Terms(max_pause_ms=ms), Abilities(), link_bytes_s=link) for ms in (low, high)]
    assert limits == sorted(limits)
    assert limits[0] <= low


def test_the_downtime_limit_only_rises_unless_the_queues_fill_again() -> None:
    ending = Simulation(terms=Terms(), writes_mib_s=LINK_MIB_S).run()
    limits = [one.value for one in ending.decisions if one.action is Action.RAISE_DOWNTIME]
    assert limits == sorted(limits)
    lowered = [one.limit_ms for one in ending.decisions if one.action is Action.RAISE_BANDWIDTH]
    assert all(limit <= budget_ms(Terms(), Abilities(), link_bytes_s=LINK_MIB_S * 2**20) for limit in lowered)


def test_an_easy_guest_is_left_alone_on_a_fast_link() -> None:
    ending = Simulation(terms=Terms(), link_mib_s=1100, writes_mib_s=20, memory_mib=4096).run()
    assert (ending.how, ending.decisions) == ("finished", ())


def test_a_slow_moment_is_not_taken_for_the_link_for_ever() -> None:
    slow = {"slow_mib_s": 4.0, "slow_until_s": 40.0}
    ending = Simulation(terms=Terms(may_throttle=False), writes_mib_s=10, **slow).run()
    assert ending.how == "finished", ending.decisions
    assert ending.pause_ms <= 300
    assert any(one.probes for one in ending.decisions)


def test_more_is_never_decided_once_it_is_settled() -> None:
    standing = Standing(limit_ms=30, settled=bearings.IN_POST_COPY)
    decision = decide(Passes(), Terms(max_duration_s=1), Abilities(), standing, elapsed_s=1e6)
    assert decision.action is Action.WAIT


def test_disks_that_cannot_be_done_in_time_are_given_up_before_the_deadline() -> None:
    ending = Simulation(terms=Terms(max_duration_s=60), disk_mib=100_000).run()
    assert ending.how == "given up"
    assert ending.duration_s < 45
    assert "disks alone need" in ending.decisions[-1].reason


@pytest.mark.parametrize("max_pause_ms", [100, 300, 900])
def test_a_guest_never_sleeps_longer_at_a_time_than_was_promised(max_pause_ms: int) -> None:
    terms = Terms(max_pause_ms=max_pause_ms)
    run = Simulation(terms=terms, writes_mib_s=LINK_MIB_S * 1.2, catches_up=True)
    ending = run.run()
    assert ending.how == "given up"
    assert run.throttle <= most_throttle_percent(terms)
    assert "sleep longer at a time" in ending.decisions[-1].reason


def test_post_copy_waits_for_the_disks_and_for_permission() -> None:
    busy = {"writes_mib_s": LINK_MIB_S * 1.5, "disk_mib": 100}
    ending = Simulation(terms=Terms(may_post_copy=True, may_throttle=False), **busy).run()
    assert ending.how == "post-copy"
    assert ending.duration_s > 100 / LINK_MIB_S
    refused = Simulation(terms=Terms(may_post_copy=True, may_throttle=False), can_post_copy=False, **busy).run()
    assert refused.how == "given up"


def test_reasons_are_sentences_with_numbers() -> None:
    for policy in POLICIES.values():
        for one in Simulation(terms=policy, writes_mib_s=LINK_MIB_S * 1.2).run().decisions:
            assert one.reason.endswith((".", ")."))
            assert any(letter.isdigit() for letter in one.reason)


def sample(iteration: int, left_mib: int, elapsed_ms: int, sent_mib: int) -> JobSample:
    return JobSample(
        kind="unbounded",
        iteration=iteration,
        elapsed_ms=elapsed_ms,
        memory_total_bytes=128 << 20,
        memory_remaining_bytes=left_mib << 20,
        memory_processed_bytes=sent_mib << 20,
    )


def test_passes_remember_the_smallest_beginning_and_the_average_speed() -> None:
    passes = Passes()
    for number, left in enumerate((128, 60, 50, 49, 51), start=1):
        passes = passes.after(sample(number, left, number * 1000, number * 24))
    assert (passes.least_bytes, passes.stuck) == (50 << 20, 2)
    assert passes.rate_bytes_s == 24 << 20
    # The least of the passes since the last progress: 49 MiB at 24 MiB/s.
    assert round(passes.needed_ms) == round(49 / 24 * 1000)
