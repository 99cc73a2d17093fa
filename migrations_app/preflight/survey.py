"""Pure: run all families of checks over one situation."""

from __future__ import annotations

from migrations_app import modes
from migrations_app.preflight import (
    capacity,
    cold,
    cpu,
    devices,
    graphics,
    machine,
    network,
    relay,
    rewriting,
    storage,
    versions,
)
from migrations_app.preflight.situation import Check, DiskAction, Findings, Severity, Situation

_ORDER = list(Severity)


def survey(situation: Situation) -> Findings:
    """All findings, the blocking ones first, and what happens to each disk."""
    disks, storage_checks = storage.plan(situation)
    # A definition alone is carried without any QEMU.
    starts = situation.mode != modes.COLD or any(plan.action is DiskAction.COPY for plan in disks)
    checks: list[Check] = [
        *capacity.check(situation),
        *machine.check(situation),
        *cpu.check(situation),
        *storage_checks,
        *network.check(situation),
        *graphics.check(situation),
        *devices.check(situation, starts=starts),
        *cold.check(situation),
        *versions.check(situation),
        *relay.check(situation, disks),
    ]
    checks.sort(key=lambda found: _ORDER.index(found.severity))
    return Findings(checks=tuple(checks), disks=disks, rewrites=rewriting.rewrites(situation))
