"""Pure: where do the guest's consoles listen at the destination?"""

from __future__ import annotations

from collections.abc import Iterator

from migrations_app.preflight.rewriting import wanted
from migrations_app.preflight.situation import Check, Situation, warn


def check(situation: Situation) -> Iterator[Check]:
    """A console on an address of the source alone cannot be opened on another host: QEMU would not even start."""
    there, destination = wanted(situation), situation.destination.name
    for address in situation.guest.listens:
        if address == there:
            continue
        if there:
            text = (
                f"Its console listens on {address}, an address of {situation.source.name}; on {destination} on {there}."
            )
            yield warn("console_moves", address, text, "A map can name another address for consoles.")
        else:
            text = f"Its console listens on {address}, which {destination} must have as well."
            yield warn("console_address", address, text, "Name the address for consoles in a map.")
