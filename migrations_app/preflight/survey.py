"""Pure: run all families of checks over one situation."""

from __future__ import annotations

from migrations_app.preflight import capacity, cpu, devices, graphics, machine, network, rewriting, storage, versions
from migrations_app.preflight.situation import Check, Findings, Severity, Situation

_ORDER = list(Severity)


def survey(situation: Situation) -> Findings:
    """All findings, the blocking ones first, and what happens to each disk."""
    disks, storage_checks = storage.plan(situation)
    checks: list[Check] = [
        *capacity.check(situation),
        *machine.check(situation),
        *cpu.check(situation),
        *storage_checks,
        *network.check(situation),
        *graphics.check(situation),
        *devices.check(situation),
        *versions.check(situation),
    ]
    checks.sort(key=lambda found: _ORDER.index(found.severity))
    return Findings(checks=tuple(checks), disks=disks, rewrites=rewriting.rewrites(situation))
