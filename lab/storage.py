"""Boundary. The guests' disks, and a host's local pool running out of room."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from pathlib import Path

from lab import holders, processes
from lab.domain import disk_path
from lab.places import Places
from lab.plan import GuestPlan

LOCAL = "/srv/local"
MIB = 1024 * 1024
DISKS = {".qcow2", ".raw", ".img", ".drover-quarantine"}


def make_disk(lab: str, guest: GuestPlan) -> None:
    """A thin disk; data a copy must carry stand behind the counter's ring."""
    path = disk_path(guest)
    inside = holders.entered(lab, guest.host, ["qemu-img", "create", "-q", "-f", "qcow2", path, f"{guest.disk_mib}M"])
    processes.run(inside)
    if guest.data_mib:
        write = f"write -q -P 0x5a 4M {guest.data_mib}M"
        processes.run(holders.entered(lab, guest.host, ["qemu-io", "-f", "qcow2", "-c", write, path]))


def empty_pools(places: Places, sites: Sequence[str], hosts: Sequence[str], keep: Collection[str] = ()) -> None:
    """Remove every disk, whoever made it, but those to keep; small files that programs mark folders with stay."""
    folders = [places.shared(site) for site in sites] + [local_folder(places.name, host) for host in hosts]
    for folder in folders:
        for volume in folder.iterdir():
            if volume.is_file() and volume.suffix in DISKS and volume.name not in keep:
                volume.unlink()


def local_folder(lab: str, host: str) -> Path:
    """The host's local pool as the manager's machine can reach it."""
    return Path(f"/proc/{holders.pid(lab, host)}/root{LOCAL}")


def resize_local(lab: str, host: str, size_bytes: int) -> None:
    """Give the local pool another size; it is a tmpfs, so that costs no memory."""
    remount = ["mount", "-o", f"remount,size={size_bytes}", LOCAL]
    processes.run(holders.entered(lab, host, remount))


def fill(lab: str, host: str, leave_mib: int) -> None:
    """Leave only this much room in the local pool."""
    stat = os.statvfs(local_folder(lab, host))
    used = (stat.f_blocks - stat.f_bfree) * stat.f_frsize
    # Important: a tmpfs of size 0 is one without limit.
    resize_local(lab, host, max(used + leave_mib * MIB, stat.f_frsize))


def unfill(lab: str, host: str, local_mib: int) -> None:
    """Back to the planned size."""
    resize_local(lab, host, local_mib * MIB)
