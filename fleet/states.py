"""Pure: the states of jobs, steps, guests and hosts, and which may follow which."""

from __future__ import annotations

from enum import StrEnum


def choices(states: type[StrEnum]) -> list[tuple[str, str]]:
    """An enum's values and their words, as a model field's choices."""
    return [(state.value, state.value.replace("_", " ").capitalize()) for state in states]


class JobState(StrEnum):
    """Where a job stands; stages inside `running` are steps, not states."""

    #: Stored, not yet taken by a worker.
    QUEUED = "queued"
    #: A worker holds the lease and works.
    RUNNING = "running"
    #: A host cannot be asked, so nobody touches the guest until it can.
    UNKNOWN = "unknown"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


MOVES: dict[JobState, frozenset[JobState]] = {
    JobState.QUEUED: frozenset({JobState.RUNNING, JobState.CANCELLED, JobState.FAILED}),
    JobState.RUNNING: frozenset({JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED, JobState.UNKNOWN}),
    JobState.UNKNOWN: frozenset({JobState.RUNNING, JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED}),
    JobState.SUCCEEDED: frozenset(),
    JobState.FAILED: frozenset(),
    JobState.CANCELLED: frozenset(),
}

FINISHED = frozenset(state for state, following in MOVES.items() if not following)
UNFINISHED = frozenset(JobState) - FINISHED


def may_follow(before: JobState | str, after: JobState | str) -> bool:
    """Whether a job in `before` may go to `after`."""
    return JobState(after) in MOVES[JobState(before)]


class StepState(StrEnum):
    """How far one step of a job is."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    SKIPPED = "skipped"
    FAILED = "failed"


class GuestState(StrEnum):
    """A guest's state as its host reports it (libvirt's virDomainState, folded to what an operator tells apart)."""

    RUNNING = "running"
    PAUSED = "paused"
    SHUTOFF = "shutoff"
    CRASHED = "crashed"
    SUSPENDED = "suspended"
    UNKNOWN = "unknown"


#: States in which a guest owns memory and open disks on its host.
ACTIVE_GUEST_STATES = frozenset({GuestState.RUNNING, GuestState.PAUSED, GuestState.SUSPENDED})


class HostState(StrEnum):
    """How a host stands; `maintenance` is the operator's wish, the others are what was seen."""

    UP = "up"
    UNREACHABLE = "unreachable"
    MAINTENANCE = "maintenance"
    POWERED_OFF = "powered_off"


class Role(StrEnum):
    """What a person or a token may do, from least to most."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"

    @property
    def rank(self) -> int:
        """0 for viewer, 2 for admin."""
        return list(Role).index(self)
