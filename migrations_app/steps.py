"""The steps of a live migration, in order."""

from __future__ import annotations

from fleet.jobs.progress import StepPlan

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
