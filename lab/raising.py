"""Boundary. Bring a lab up, and take it down to the last process, link and file."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from lab import addresses, cuts, domain, guests, holders, host, image, network, packages, pki, processes, ssh
from lab.places import (
    Places,
    forget_labs_home,
    known_labs,
    lab_lock,
    plan_to_json,
    read_state,
    subnets_lock,
    write_state,
)
from lab.plan import HostPlan, LabPlan

T = TypeVar("T")
R = TypeVar("R")


def each(work: Callable[[T], R], things: Iterable[T]) -> list[R]:
    """Do it for all of them at once; the first error comes out after all have ended."""
    things = list(things)
    with ThreadPoolExecutor(max_workers=max(1, len(things))) as pool:
        return list(pool.map(work, things))


def raise_lab(plan: LabPlan) -> None:
    """Build everything; the caller holds the lab's lock and has made sure that nothing is left of it."""
    packages.require()
    places = Places(plan.name)
    subnet = claim(places, plan)
    known = host_addresses(plan, subnet)
    for folder in (places.mark, places.home / "serial", *site_folders(places, plan)):
        folder.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(max_workers=1) as beside:
        boot = beside.submit(image.ready)
        make_keys(places, plan)
        furnish_hosts(places, plan, known)
        holders.hold_fabric(places)
        each(lambda one: holders.hold_host(places, plan, one), plan.hosts)
        network.build(plan, subnet)
        cuts.apply(plan.name, [], known)
        start_hosts(places, plan, known)
        populate(places, plan, subnet, boot.result())
    write_state(places, {**(read_state(places) or {}), "complete": True})


def site_folders(places: Places, plan: LabPlan) -> list[Path]:
    """What the hosts of a site share: the pool, and where they lock each other out."""
    return [folder(site.slug) for site in plan.sites for folder in (places.shared, places.locks)]


def claim(places: Places, plan: LabPlan) -> str:
    """Pick a free subnet and record the plan, before anything of the lab exists."""
    with subnets_lock():
        recorded = [other["subnet"] for name in known_labs() if (other := read_state(Places(name)))]
        subnet = addresses.free_subnet([*network.used_networks(), *recorded])
        state: dict[str, Any] = {"plan": plan_to_json(plan), "subnet": subnet, "complete": False, "cuts": []}
        write_state(places, {**state, "created": time.time()})
    return subnet


def host_addresses(plan: LabPlan, subnet: str) -> dict[str, str]:
    """Every host's address, and the manager's."""
    found = {one.name: addresses.host(subnet, one.number) for one in plan.hosts}
    return {**found, cuts.MANAGER: addresses.manager(subnet)}


def make_keys(places: Places, plan: LabPlan) -> None:
    """The authority, the manager's certificate and all ssh keys."""
    pki.make_authority(places)
    pki.make_client(places)
    ssh.make_manager(places)
    each(lambda one: ssh.make_host(places, one.name), plan.hosts)


def furnish_hosts(places: Places, plan: LabPlan, known: dict[str, str]) -> None:
    """Every host's private folders."""
    hosts_only = {name: address for name, address in known.items() if name != cuts.MANAGER}
    pinned = ssh.known_hosts(places, hosts_only)
    (places.ssh / "known_hosts").write_text(pinned)

    def furnish(one: HostPlan) -> None:
        host.furnish(places, one, known)
        ssh.install(places, one.name, pinned, places.host(one.name) / "etc")

    each(furnish, plan.hosts)


def start_hosts(places: Places, plan: LabPlan, known: dict[str, str]) -> None:
    """Every host's daemons, until they answer."""

    def start(one: HostPlan) -> None:
        host.start_daemons(places, one.name)
        host.wait_for_daemon(places, one.name, known[one.name])

    each(start, plan.hosts)
    host.keep_capabilities(places, plan.hosts[0].name)


def populate(places: Places, plan: LabPlan, subnet: str, what: image.Image) -> None:
    """Every host's guests, until they have booted."""
    by_host = {one.name: [guest for guest in plan.guests if guest.host == one.name] for one in plan.hosts}
    each(lambda name: guests.define_and_start(places, name, by_host[name], subnet, what), by_host)
    guests.wait_ready(places, plan.guests)
    remember_started(places)


def remember_started(places: Places) -> None:
    """Note which QEMU each guest began as, so that `reset` can leave alone the ones that never moved."""
    running = guests.copies(processes.lab_processes(places.name))
    started = {name: [[p.owner, p.pid, p.started] for p in found] for name, found in running.items()}
    write_state(places, {**(read_state(places) or {}), "started": started})


def raze(name: str) -> None:
    """Leave nothing of a lab, however far it had come and whatever killed it; safe to run on nothing."""
    places = Places(name)
    processes.end_all(lambda: processes.lab_processes(name))
    state = read_state(places)
    if state:
        network.remove(name, state["subnet"])
    shutil.rmtree(places.home, ignore_errors=True)


def lower_lab(name: str) -> None:
    """`down`: also for a lab that is not recorded, or is half of one."""
    with lab_lock(name):
        raze(name)
        forget_labs_home(name)


def pool_uuids(plan: LabPlan, one: HostPlan) -> dict[str, str]:
    """Name to UUID of a host's pools."""
    return {pool: domain.pool_uuid(plan.name, pool, one.site, one.name) for pool in domain.POOL_FOLDERS}
