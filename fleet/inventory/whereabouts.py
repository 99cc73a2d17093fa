"""Pure: where a guest is, from what every host says about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fleet.states import ACTIVE_GUEST_STATES, GuestState

#: libvirt's reason for a guest that waits, paused, for its memory (or, at the source, for the hand-over's end).
MIGRATION = "migration"


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """What one host says about the guest; an unreachable host's word is the last one it gave."""

    host: str
    state: str
    reason: str = ""
    persistent: bool = True
    reachable: bool = True

    @property
    def active(self) -> bool:
        """Whether there is a process with the guest's memory."""
        return self.state in ACTIVE_GUEST_STATES

    @property
    def in_transit(self) -> bool:
        """Paused by a migration: the incoming copy, or the source during the hand-over."""
        return self.state == GuestState.PAUSED and self.reason == MIGRATION


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where the guest is; more than one host in `running_on` is the alarm of alarms, once both were asked again."""

    host: str | None
    state: GuestState
    running_on: tuple[str, ...] = ()

    @property
    def doubled(self) -> bool:
        """Whether two hosts that answer both claim to run it."""
        return len(self.running_on) > 1


def place(seen: Sequence[Seen], *, current: str | None, job_open: bool) -> Place:
    """The host whose copy is the guest.

    The active copy wins over one in transit, that over a definition; an answer of now over one of yesterday; the host
    it was on over others, so that equal claims move nothing. A guest nobody knows is nowhere, but while a job of it is
    open its host stays: between two looks a migration may have left one list and not yet be in the other.
    """
    if not seen:
        return Place(host=current if job_open else None, state=GuestState.UNKNOWN)
    best = max(seen, key=lambda one: (*_claim(one), one.host == current, one.persistent, one.host))
    running = sorted(one.host for one in seen if one.state == GuestState.RUNNING and one.reachable)
    return Place(host=best.host, state=GuestState(best.state), running_on=tuple(running))


_LIVELINESS = {GuestState.RUNNING: 3, GuestState.SUSPENDED: 2, GuestState.PAUSED: 1, GuestState.CRASHED: 1}


def _claim(one: Seen) -> tuple[int, bool, int]:
    rank = 1 if one.in_transit else 2 if one.active else 0
    return rank, one.reachable, _LIVELINESS.get(GuestState(one.state), 0)
