"""Pure: is a disk over a backing file copied whole, or only what lies over it?

A copy over the backing file is smaller and keeps the guest what it is: one of many over one image. So it is chosen
wherever every backing file is proven to be the same on both hosts; a whole copy needs nothing but itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from fleet.hypervisor.facts import DiskFacts
from migrations_app import modes
from migrations_app.preflight.sharing import is_shared_file
from migrations_app.preflight.situation import Check, DiskAction, DiskPlan, Situation, block, info

Plans = list[DiskPlan]


def decide(situation: Situation, plans: Plans) -> tuple[Plans, list[Check]]:
    """The plans with `incremental` set, and why; libvirt does it for all disks of a move or for none."""
    copies = [plan.disk for plan in plans if plan.action is DiskAction.COPY]
    layered = [disk for disk in copies if disk.backing]
    if situation.storage == "copy_incremental":
        return _as_asked(situation, plans, copies, layered)
    if situation.storage == "auto" and layered and not any(_why_whole(situation, disk) for disk in layered):
        return _over(plans, layered), [_kept(situation, disk) for disk in layered]
    return plans, [_whole(situation, disk) for disk in layered]


def _as_asked(
    situation: Situation, plans: Plans, copies: list[DiskFacts], layered: list[DiskFacts]
) -> tuple[Plans, list[Check]]:
    if refused := [disk for disk in layered if _why_whole(situation, disk)]:
        remedy = "Choose storage 'copy': the disk arrives whole, without its backing file."
        return plans, [block("backing_stays", one.target, _why_whole(situation, one), remedy) for one in refused]
    unread = [] if layered else [disk for disk in copies if _unread(situation, disk)]
    text = "its backing file is looked up before anything is copied; without one it arrives whole."
    found = [info("backing_unread", disk.target, f"{disk.target}: {text}") for disk in unread]
    return _over(plans, [*layered, *unread]), [*found, *(_kept(situation, disk) for disk in layered)]


def _over(plans: Plans, disks: Iterable[DiskFacts]) -> Plans:
    chosen = {disk.target for disk in disks}
    return [replace(plan, incremental=plan.disk.target in chosen) for plan in plans]


def _unread(situation: Situation, disk: DiskFacts) -> bool:
    """A guest that is off does not tell what its disks lie over; their headers do, which only the worker reads."""
    return situation.guest.state in modes.OFF and not situation.disks_read and disk.format == "qcow2"


def _why_whole(situation: Situation, disk: DiskFacts) -> str:
    """Why only a whole copy can do; "" where the backing files are the same on both hosts."""
    if disk.format != "qcow2":
        return f"{disk.target} is {disk.format}; only qcow2 disks lie over a backing file."
    strangers = [path for path in (disk.backing, *disk.deeper) if not is_shared_file(situation, path)]
    if strangers:
        there = situation.destination.name
        return f"{disk.target} lies over {strangers[0]}, which is not proven to be the same file on {there}."
    return ""


def _kept(situation: Situation, disk: DiskFacts) -> Check:
    text = f"{disk.target}: only what lies over {disk.backing} is copied; both hosts share that file."
    return info("backing_kept", disk.target, text)


def _whole(situation: Situation, disk: DiskFacts) -> Check:
    return info("backing_flattened", disk.target, f"{disk.target} arrives whole, without {disk.backing}.")
