"""What both hosts' answers mean, as a table."""

from __future__ import annotations

import pytest

from fleet.hypervisor.facts import GuestGlimpse
from migrations_app.outcome import Outcome, Side, decide, side


def glimpse(state: str, reason: str = "") -> GuestGlimpse:
    return GuestGlimpse(uuid="u", name="web", state=state, persistent=True, reason=reason)


@pytest.mark.parametrize(
    ("answer", "meaning"),
    [
        (None, Side.ABSENT),
        (glimpse("running"), Side.RUNNING),
        (glimpse("suspended"), Side.RUNNING),  # asleep, but it owns its memory and disks
        (glimpse("paused", "user"), Side.PAUSED),
        (glimpse("paused", "migration"), Side.IN_TRANSIT),
        (glimpse("paused", "postmigrate"), Side.IN_TRANSIT),
        (glimpse("shutoff"), Side.OFF),
        (glimpse("crashed"), Side.OFF),
    ],
)
def test_a_hosts_answer_is_read_as_one_side(answer: GuestGlimpse | None, meaning: Side) -> None:
    assert side(answer) is meaning


@pytest.mark.parametrize(
    ("source", "destination", "outcome"),
    [
        (Side.RUNNING, Side.ABSENT, Outcome.STAYED),
        (Side.RUNNING, Side.OFF, Outcome.STAYED),  # an old definition lies at the destination
        (Side.PAUSED, Side.ABSENT, Outcome.STAYED),
        (Side.ABSENT, Side.RUNNING, Outcome.ARRIVED),
        (Side.OFF, Side.RUNNING, Outcome.ARRIVED),  # the definition was kept at the source
        (Side.ABSENT, Side.PAUSED, Outcome.ARRIVED),  # it was paused by its operator before
        (Side.ABSENT, Side.ABSENT, Outcome.OFF),
        (Side.OFF, Side.ABSENT, Outcome.OFF),
        (Side.RUNNING, Side.RUNNING, Outcome.DOUBLE),
        (Side.RUNNING, Side.IN_TRANSIT, Outcome.MOVING),
        (Side.IN_TRANSIT, Side.RUNNING, Outcome.MOVING),
        (Side.BROKEN_OFF, Side.POST_COPY, Outcome.RECOVERING),
        (Side.BROKEN_OFF, Side.BROKEN_OFF, Outcome.RECOVERING),
        (Side.BROKEN_OFF, Side.ABSENT, Outcome.STRANDED),
        (Side.BROKEN_OFF, Side.OFF, Outcome.STRANDED),
        (Side.BROKEN_OFF, Side.IN_TRANSIT, Outcome.MOVING),  # until its libvirtd ends it with the connection
        (Side.IN_TRANSIT, Side.IN_TRANSIT, Outcome.MOVING),
    ],
)
def test_two_answers_have_one_meaning(source: Side, destination: Side, outcome: Outcome) -> None:
    assert decide(source, destination) is outcome


@pytest.mark.parametrize(
    ("source", "destination", "outcome"),
    [
        (Side.OFF, Side.ABSENT, Outcome.STAYED),
        (Side.OFF, Side.OFF, Outcome.STAYED),  # an old definition lies at the destination
        (Side.ABSENT, Side.OFF, Outcome.ARRIVED),
        (Side.ABSENT, Side.ABSENT, Outcome.OFF),
        (Side.PAUSED, Side.ABSENT, Outcome.STAYED),  # as whoever settles finds it before switching it off
        (Side.ABSENT, Side.PAUSED, Outcome.ARRIVED),
        (Side.ABSENT, Side.RUNNING, Outcome.ARRIVED),  # somebody let it run
        (Side.RUNNING, Side.RUNNING, Outcome.DOUBLE),
        (Side.PAUSED, Side.IN_TRANSIT, Outcome.MOVING),
        (Side.SILENT, Side.OFF, Outcome.UNKNOWN),
    ],
)
def test_a_guest_that_is_off_is_where_its_definition_is(source: Side, destination: Side, outcome: Outcome) -> None:
    assert decide(source, destination, cold=True) is outcome


@pytest.mark.parametrize("other", list(Side))
def test_a_silent_host_always_means_unknown(other: Side) -> None:
    assert decide(Side.SILENT, other) is Outcome.UNKNOWN
    assert decide(other, Side.SILENT) is Outcome.UNKNOWN


@pytest.mark.parametrize("source", list(Side))
@pytest.mark.parametrize("destination", list(Side))
def test_a_guest_is_never_called_arrived_while_the_source_may_run_it(source: Side, destination: Side) -> None:
    if decide(source, destination) is Outcome.ARRIVED:
        assert source in {Side.ABSENT, Side.OFF}
