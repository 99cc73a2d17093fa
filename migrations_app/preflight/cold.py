"""Pure: what a guest that is shut off has beside its disks, and whether a cold move can take it along.

libvirt moves a definition alone. Where disks must be copied the guest is started paused, executes nothing, and is
switched off again at the destination.
"""

from __future__ import annotations

from collections.abc import Iterator

from migrations_app import modes
from migrations_app.preflight.sharing import is_shared_file
from migrations_app.preflight.situation import Check, Situation, block


def check(situation: Situation) -> Iterator[Check]:
    """Findings about a cold move; nothing for any other."""
    if situation.mode != modes.COLD:
        return
    guest, source = situation.guest, situation.source
    if guest.managed_save:
        yield block(
            "has_managed_save",
            guest.name,
            f"{guest.name} has a saved memory image on {source.name}, which would be left behind.",
            f"Start it, so that it goes on from the image, or drop the image: virsh managedsave-remove {guest.name}",
        )
    if not situation.options.undefine_source:
        yield block(
            "two_definitions",
            guest.name,
            f"{guest.name} would be defined on both hosts, and either could be started.",
            "Leave undefine_source on: a cold move takes the definition along.",
        )
    for device in guest.devices:
        if device.kind == "nvram" and device.name and not is_shared_file(situation, device.name):
            yield block(
                "nvram_stays",
                guest.name,
                f"The UEFI variables of {guest.name} ({device.name}) lie on {source.name} only and would be lost.",
                "Start it and move it live: they travel with a running guest.",
            )
        elif device.kind == "tpm":
            yield block(
                "tpm_stays",
                guest.name,
                f"The TPM of {guest.name} keeps its secrets in a folder of {source.name} and would lose them.",
                "Start it and move it live, where both hosts have swtpm.",
            )
