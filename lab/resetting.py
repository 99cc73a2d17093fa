"""Boundary. Every guest back to where it began, as quickly as it can honestly be done."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from lab import domain, guests, image, processes, raising, storage
from lab.places import read_state
from lab.plan import GuestPlan
from lab.processes import LabError

#: After this a guest that does not go is killed.
STUBBORN_S = 10

if TYPE_CHECKING:
    from lab.fleet import Lab


def reset(lab: Lab, hard: bool) -> None:
    """Mend first, then decide which guests never left, then remake the others."""
    lab.heal_hosts()
    lab.change_links({})
    for name in lab.hosts:
        lab.unfill(name)
    keep = set() if hard else at_home(lab, untouched(lab))
    raising.each(lambda name: clear(lab, name, keep), lab.hosts)
    remake(lab, [guest for guest in lab.plan.guests if guest.name not in keep])


def untouched(lab: Lab) -> set[str]:
    """Guests that are the very process they were started as, and the only one."""
    started = (read_state(lab.places) or {}).get("started", {})
    running = guests.copies(lab.processes())
    now = {name: [[p.owner, p.pid, p.started] for p in found] for name, found in running.items()}
    return {name for name in now.keys() & lab.guests.keys() if len(now[name]) == 1 and now[name] == started.get(name)}


def at_home(lab: Lab, names: set[str]) -> set[str]:
    """Those that run, and have their first disk and no other: any other file is about to be removed."""

    def is_as_it_was(guest: GuestPlan) -> bool:
        runs = lab.virsh(guest.host, "domstate", guest.name).strip() == "running"
        return runs and guests.disks_of(lab.name, guest.host, guest.name) == {"vda": domain.disk_path(guest)}

    return {name for name in names if is_as_it_was(lab.guests[name])}


def clear(lab: Lab, name: str, keep: set[str]) -> None:
    """Remove every other guest from a host, whoever defined it."""
    options = "--managed-save --snapshots-metadata --checkpoints-metadata --nvram"

    def unwanted() -> list[str]:
        there = lab.virsh(name, "list", "--all", "--name").split()
        return [guest for guest in there if not (guest in keep and lab.guests[guest].host == name)]

    def remove() -> bool:
        left = unwanted()
        if left:
            words = [f"destroy {guest}; undefine {guest} {options}" for guest in left]
            lab.virsh(name, "; ".join(words), check=False)
        return not left

    def signal_all(number: signal.Signals) -> None:
        for guest in unwanted():
            lab.kill(name, qemu=guest, number=number)

    signal_all(signal.SIGCONT)  # a QEMU that was stopped would keep libvirtd waiting
    try:
        processes.wait_until(remove, STUBBORN_S, "")
    except LabError:  # one that waits for memory which never comes hears nobody
        signal_all(signal.SIGKILL)
        processes.wait_until(remove, 30, f"{name}: its guests do not go")


def remake(lab: Lab, wanted: list[GuestPlan]) -> None:
    """New disks, new logs, first hosts."""
    kept = {f"{guest.name}.qcow2" for guest in lab.plan.guests} - {f"{guest.name}.qcow2" for guest in wanted}
    storage.empty_pools(lab.places, [site.slug for site in lab.plan.sites], list(lab.hosts), kept)
    what = image.ready()
    by_host: dict[str, list[GuestPlan]] = {name: [] for name in lab.hosts}
    for guest in wanted:
        by_host[guest.host].append(guest)
    raising.each(lambda name: guests.define_and_start(lab.places, name, by_host[name], lab.subnet, what), lab.hosts)
    guests.wait_ready(lab.places, wanted)
    raising.remember_started(lab.places)
