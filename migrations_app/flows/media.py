"""Media and read-only disks that libvirt does not copy: is the file there already, and bringing it where it is not."""

from __future__ import annotations

import time
from collections.abc import Callable

from fleet.hypervisor.errors import HypervisorError
from fleet.hypervisor.interface import Hypervisor
from fleet.hypervisor.pieces import BLOCK_BYTES
from migrations_app.flows.errand import Errand
from migrations_app.preflight import Situation
from migrations_app.preflight.media import is_medium
from migrations_app.preflight.sharing import is_shared
from migrations_app.preflight.situation import DiskPlan

#: As much of a file as is asked for at once.
PIECE_BYTES = 8 * BLOCK_BYTES
#: How often the step says how far it is, and looks whether somebody cancelled.
TELL_EVERY_S = 0.5


def present(errand: Errand, situation: Situation) -> frozenset[str]:
    """Files of the guest's media that the destination has at the same path with the same size."""
    if situation.options.media == "eject":
        return frozenset()
    asked = {
        disk.source
        for disk in situation.guest.disks
        if disk.source and disk.kind == "file" and is_medium(disk) and not is_shared(situation, disk)
    }
    return frozenset(path for path in asked if _same_size(errand, path))


def _same_size(errand: Errand, path: str) -> bool:
    here, there = errand.source.volume(path), errand.destination.volume(path)
    return here is not None and there is not None and here.capacity_bytes == there.capacity_bytes


def bring(errand: Errand, plan: DiskPlan, path: str, *, tell: Callable[[str], None]) -> None:
    """The file's bytes from the source through the worker into the volume `path`; `tell` may raise to stop it."""
    length, at, told = length_bytes(errand.source, plan.disk.source), 0, 0.0
    while at < length:
        piece = errand.source.download(
            plan.disk.source, offset=at, length=min(PIECE_BYTES, length - at), at_most_bytes=PIECE_BYTES
        )
        if not piece.length:
            raise HypervisorError(f"{plan.disk.source} ended before its {length} bytes", host=errand.source_row.name)
        errand.destination.upload(path, piece)
        at = piece.end
        if time.monotonic() - told > TELL_EVERY_S:
            told = time.monotonic()
            tell(f"Bringing {plan.disk.source}: {100 * at // length} %")
    if length_bytes(errand.destination, path) != length:
        there = errand.destination_row.name
        raise HypervisorError(f"{path} on {there} has another size than {plan.disk.source}", host=there)


def length_bytes(host: Hypervisor, path: str) -> int:
    """How long a file of the host is; raises HypervisorError where it is gone."""
    file = host.file(path)
    if file is None:
        raise HypervisorError(f"{path} is not there", host=host.address.name)
    return file.length_bytes
