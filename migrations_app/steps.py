"""The steps of a move, in order, for each way it can go."""

from __future__ import annotations

from fleet.jobs.progress import StepPlan
from migrations_app import modes

CHECK = "check"
PREPARE = "prepare"
SUSPEND = "suspend"
DISKS = "disks"
MEMORY = "memory"
SWITCH_OVER = "switch-over"
VERIFY = "verify"
CLEAN_UP = "clean-up"

STEPS = [
    StepPlan(name=CHECK, title="Check"),
    StepPlan(name=PREPARE, title="Prepare"),
    StepPlan(name=DISKS, title="Copy disks"),
    StepPlan(name=MEMORY, title="Copy memory"),
    StepPlan(name=SWITCH_OVER, title="Switch over"),
    StepPlan(name=VERIFY, title="Verify"),
    StepPlan(name=CLEAN_UP, title="Clean up"),
]

#: Through the worker: a guest that runs, and one that is off.
RELAY = [
    StepPlan(name=CHECK, title="Check"),
    StepPlan(name=PREPARE, title="Prepare"),
    StepPlan(name=SUSPEND, title="Save memory"),
    StepPlan(name=DISKS, title="Copy disks"),
    StepPlan(name=MEMORY, title="Copy memory"),
    StepPlan(name=SWITCH_OVER, title="Hand over"),
    StepPlan(name=VERIFY, title="Verify"),
    StepPlan(name=CLEAN_UP, title="Clean up"),
]
RELAY_COLD = [step for step in RELAY if step.name not in {SUSPEND, MEMORY}]
STORAGE = [step for step in STEPS if step.name != MEMORY]


def of(mode: str, route: str) -> list[StepPlan]:
    """The steps of a move of this mode by this route."""
    if mode == "storage":
        return STORAGE
    if route == "relay":
        return RELAY_COLD if mode == "cold" else RELAY
    return STEPS


def shown(stage: str, *, mode: str, paused: bool) -> str:
    """The step that libvirt's numbers belong to; `paused`: the guest was seen to stop.

    A live guest stops for the switch-over; one that is suspended stopped before its memory moved, and what little
    memory a guest has that never ran is part of its disks' journey.
    """
    if mode == modes.COLD:
        return DISKS
    return SWITCH_OVER if paused and stage == MEMORY and mode == modes.LIVE else stage
