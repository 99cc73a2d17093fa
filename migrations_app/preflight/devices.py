"""Pure: which devices of the guest cannot travel?"""

from __future__ import annotations

from collections.abc import Iterator

from migrations_app import modes
from migrations_app.preflight.situation import Check, Situation, block, info, warn

_DETACH = "Detach it before the migration and attach it again afterwards."
#: kind of device -> (can it travel?, what to know)
_BLOCKING = {
    "hostdev": ("is a device of the host itself", _DETACH),
    "filesystem": ("is a folder of the host passed into the guest", _DETACH),
    "shmem": ("shares memory with another process of the host", _DETACH),
    "launch-security": ("encrypts its memory with this host's key", "Such a guest can only move while shut off."),
    "nvdimm": ("keeps memory in a file of the host", _DETACH),
}
_WORTH_A_WORD = {
    "tpm": "Its TPM state moves with libvirt's swtpm support; both hosts need swtpm.",
    "vsock": "Its vsock address may be taken on the destination.",
    "nvram": "Its UEFI variables file must be creatable at the same path.",
}


def check(situation: Situation, *, starts: bool = True) -> Iterator[Check]:
    """Findings about devices, and about files outside any pool; `starts`: a QEMU has to run for the move."""
    guest = situation.guest
    for device in guest.devices:
        if device.kind in _BLOCKING:
            why, remedy = _BLOCKING[device.kind]
            text = f"{device.kind} {device.name} {why}"
            if starts:
                yield block("device_stays", device.name, f"{text}.", remedy)
            else:
                yield _needed(situation, device.name, text)
        elif device.kind in _WORTH_A_WORD and situation.mode != modes.COLD:
            yield warn("device_travels", device.name, _WORTH_A_WORD[device.kind])
    for card in guest.interfaces:
        if card.kind == "hostdev" and not starts:
            yield _needed(situation, card.mac, f"The card {card.mac} is a device of the host itself")
        elif card.kind == "hostdev":
            yield block("device_stays", card.mac, f"The card {card.mac} is a device of the host itself.", _DETACH)
    for path in map(situation.map.path, guest.boot_files):
        yield info("boot_file", path, f"{path} must exist on {situation.destination.name} as well.")


def _needed(situation: Situation, subject: str, text: str) -> Check:
    """Nothing opens it while only the definition moves; the next start there does."""
    return warn("device_needed", subject, f"{text}; {situation.destination.name} needs the same to start the guest.")
