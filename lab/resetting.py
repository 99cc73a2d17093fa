"""Boundary. Every guest back to where it began, as quickly as it can honestly be done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lab import guests, image, processes, raising, storage
from lab.places import read_state
from lab.plan import GuestPlan

if TYPE_CHECKING:
    from lab.fleet import Lab


def reset(lab: Lab, hard: bool) -> None:
    """Mend first, then decide which guests never left, then remake the others."""
    lab.heal_hosts()
    lab.change_links({})
    for name in lab.hosts:
        lab.unfill(name)
    keep = set() if hard else untouched(lab)
    raising.each(lambda name: clear(lab, name, keep), lab.hosts)
    remake(lab, [guest for guest in lab.plan.guests if guest.name not in keep])


def untouched(lab: Lab) -> set[str]:
    """Guests that are the very process they were started as, and the only one."""
    started = (read_state(lab.places) or {}).get("started", {})
    running = guests.copies(lab.processes())
    now = {name: [[p.owner, p.pid, p.started] for p in found] for name, found in running.items()}
    return {name for name, found in now.items() if name in lab.guests and len(found) == 1 and found == started.get(name)}


def clear(lab: Lab, name: str, keep: set[str]) -> None:
    """Remove every other guest from a host, whoever defined it."""
    for guest in lab.virsh(name, "list", "--all", "--name").split():
        stays = guest in keep and lab.guests[guest].host == name
        if not stays:
            remove_guest(lab, name, guest)


def remove_guest(lab: Lab, name: str, guest: str) -> None:
    """Off, then forgotten."""
    lab.kill(name, qemu=guest)
    lab.virsh(name, "destroy", guest, check=False)
    options = ("--managed-save", "--snapshots-metadata", "--checkpoints-metadata", "--nvram")
    lab.virsh(name, "undefine", guest, *options, check=False)
    processes.wait_until(
        lambda: guest not in lab.virsh(name, "list", "--all", "--name").split(), 20, f"{name}: {guest} does not go"
    )


def remake(lab: Lab, wanted: list[GuestPlan]) -> None:
    """New disks, new logs, first hosts."""
    kept = {f"{guest.name}.qcow2" for guest in lab.plan.guests} - {f"{guest.name}.qcow2" for guest in wanted}
    storage.empty_pools(lab.places, [site.slug for site in lab.plan.sites], list(lab.hosts), kept)
    what = image.ready()
    by_host: dict[str, list[GuestPlan]] = {name: [] for name in lab.hosts}
    for guest in wanted:
        by_host[guest.host].append(guest)
    raising.each(
        lambda name: guests.define_and_start(lab.places, name, by_host[name], lab.subnet, what), lab.hosts
    )
    guests.wait_ready(lab.places, wanted)
    raising.remember_started(lab.places)


