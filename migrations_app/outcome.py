"""Pure: what both hosts say about a guest after (or during) a migration, and what that means.

An error from libvirt's migrate call is no proof of failure, and its silence none of success (facts: a SIGTERMed source
libvirtd breaks the call while the guest arrives). Only the two hosts' answers count.
"""

from __future__ import annotations

from enum import StrEnum

from fleet.hypervisor.facts import GuestGlimpse
from fleet.states import GuestState


class Side(StrEnum):
    """One host's answer about the guest."""

    RUNNING = "running"
    #: Stopped by somebody, not by the migration: it owns its memory and disks.
    PAUSED = "paused"
    #: Half-way: an incoming copy that has not started, or an outgoing one that has stopped.
    IN_TRANSIT = "in transit"
    #: Stopped in a post-copy that broke off: it still holds memory that the other copy lacks.
    BROKEN_OFF = "broken off in post-copy"
    #: Running while part of its memory is still at the source: not arrived, and lost without the other side.
    POST_COPY = "running in post-copy"
    #: Defined, but not running.
    OFF = "off"
    ABSENT = "absent"
    #: The host could not be asked.
    SILENT = "silent"


class Outcome(StrEnum):
    """What the two answers together mean."""

    ARRIVED = "arrived"
    STAYED = "stayed"
    #: Runs nowhere: it was shut down, crashed, or its host died with it.
    OFF = "off"
    #: Post-copy broke off; both sides are needed to mend it.
    RECOVERING = "recovering"
    #: Post-copy broke off and the other half is gone: it stands still at the source and cannot go on.
    STRANDED = "stranded"
    #: Not settled yet; ask again.
    MOVING = "moving"
    #: Runs twice: the alarm of alarms.
    DOUBLE = "double"
    #: A host is silent: nobody may touch the guest.
    UNKNOWN = "unknown"


#: libvirt's reasons for a pause that belong to a migration.
TRANSIT_REASONS = frozenset(
    {"migration", "postmigrate", "post-migrate", "postcopy", "post-copy", "starting up", "starting-up"}
)

#: Nothing of it that runs or could run by itself.
GONE = frozenset({Side.ABSENT, Side.OFF})

#: libvirt's reasons for running that say: the rest of the memory is still to come.
POST_COPY_REASONS = frozenset({"postcopy", "postcopy_failed"})


def side(glimpse: GuestGlimpse | None) -> Side:
    """What an answer says; None is "no such guest here"."""
    if glimpse is None:
        return Side.ABSENT
    if glimpse.state in {GuestState.RUNNING, GuestState.SUSPENDED}:
        return Side.POST_COPY if glimpse.reason in POST_COPY_REASONS else Side.RUNNING
    if glimpse.state == GuestState.PAUSED and glimpse.reason == "postcopy_failed":
        return Side.BROKEN_OFF
    if glimpse.state == GuestState.PAUSED:
        return Side.IN_TRANSIT if glimpse.reason in TRANSIT_REASONS else Side.PAUSED
    return Side.OFF


def decide(source: Side, destination: Side, *, cold: bool = False) -> Outcome:
    """The meaning of both answers; `cold`: the guest was off and shall be, so its definition tells where it is.

    A silent side always means unknown: a guest that runs here says nothing about what a silent host does.
    """
    alive = {Side.RUNNING, Side.PAUSED}
    if Side.SILENT in {source, destination}:
        return Outcome.UNKNOWN
    if (entangled := _entangled(source, destination)) is not None:
        return entangled
    if source in alive and destination in GONE:
        return Outcome.STAYED
    if source in GONE and destination in alive:
        return Outcome.ARRIVED
    if source in GONE and destination in GONE:
        return _by_definition(source, destination) if cold else Outcome.OFF
    return Outcome.MOVING


def _entangled(source: Side, destination: Side) -> Outcome | None:
    """Both have it in earnest: twice running, or each with a part of its memory."""
    runs = {Side.RUNNING, Side.POST_COPY}
    if source in runs and destination in runs:
        return Outcome.DOUBLE
    if source is Side.BROKEN_OFF and destination in {*runs, Side.BROKEN_OFF}:
        return Outcome.RECOVERING
    if source is Side.BROKEN_OFF and destination in GONE:
        return Outcome.STRANDED
    return None


def _by_definition(source: Side, destination: Side) -> Outcome:
    """Of a guest that is off: its definition leaves the source last, so an old one at the destination says nothing."""
    if source is Side.OFF:
        return Outcome.STAYED
    return Outcome.ARRIVED if destination is Side.OFF else Outcome.OFF
