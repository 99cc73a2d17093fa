"""Pure: can the destination build the same machine?"""

from __future__ import annotations

from collections.abc import Iterator

from migrations_app.preflight.situation import Check, Situation, block


def check(situation: Situation) -> Iterator[Check]:
    """Findings about architecture, accelerator and machine type."""
    guest, destination = situation.guest, situation.destination
    if guest.arch != destination.facts.arch and guest.domain_type == "kvm":
        yield block(
            "architecture",
            destination.name,
            f"{guest.name} is a {guest.arch} guest, {destination.name} is {destination.facts.arch}.",
            "Choose a host of the same architecture.",
        )
        return
    machines = destination.facts.machines.get(guest.domain_type)
    if machines is None:
        yield block(
            "accelerator",
            destination.name,
            f"{destination.name} offers no '{guest.domain_type}' guests.",
            "Enable hardware virtualisation there (firmware, kvm module), or choose another host.",
        )
    elif guest.machine and guest.machine not in machines:
        yield block(
            "machine_type",
            destination.name,
            f"{destination.name} does not know the machine type {guest.machine}.",
            "Update QEMU there, or choose a host with the same or a newer QEMU.",
        )
