"""The steps of a live migration, in order."""

from __future__ import annotations

from fleet.jobs.progress import StepPlan
from migrations_app import modes

CHECK = "check"
PREPARE = "prepare"
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


def shown(stage: str, *, mode: str, paused: bool) -> str:
    """The step that libvirt's numbers belong to; `paused`: the guest was seen to stop.

    A live guest stops for the switch-over; one that is suspended stopped before its memory moved, and what little
    memory a guest has that never ran is part of its disks' journey.
    """
    if mode == modes.COLD:
        return DISKS
    return SWITCH_OVER if paused and stage == MEMORY and mode == modes.LIVE else stage
