"""The lab as an object: what the command line and the tests' fixtures call."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lab import (
    addresses,
    cuts,
    describing,
    domain,
    guests,
    holders,
    holds,
    host,
    network,
    pki,
    processes,
    raising,
    resetting,
    storage,
)
from lab.counter import Verdict
from lab.cuts import Cut
from lab.places import Places, lab_lock, locked, plan_from_json, plan_to_json, read_state, write_state
from lab.plan import SSH_PORT, TLS_PORT, GuestPlan, LabPlan, link_key, make_plan
from lab.processes import LabError, Process

PAGES_PER_MIB = 256


@dataclass(frozen=True)
class Host:
    """What Drover would be told about a host, and its UUID to compare with."""

    name: str
    address: str
    site: str
    uuid: str
    transport: str = "tls"
    port: int = TLS_PORT
    ssh_port: int = SSH_PORT


class Lab:
    """A lab that is up. Errors are LabError, with a sentence."""

    def __init__(self, plan: LabPlan, subnet: str) -> None:
        self.plan = plan
        self.name = plan.name
        self.subnet = subnet
        self.places = Places(plan.name)
        self.manager_address = addresses.manager(subnet)
        self.pki_dir: Path = pki.client_folder(self.places)
        self.ssh_key: Path = self.places.ssh / "id_ed25519"
        self.known_hosts: Path = self.places.ssh / "known_hosts"
        self.addresses = raising.host_addresses(plan, subnet)
        self.hosts = {
            one.name: Host(one.name, self.addresses[one.name], one.site, host.host_uuid(self.name, one.name))
            for one in plan.hosts
        }
        self.guests: dict[str, GuestPlan] = {guest.name: guest for guest in plan.guests}

    # -- up and down ------------------------------------------------------------------------------------------------

    @classmethod
    def up(
        cls,
        name: str = "demo",
        hosts: int = 4,
        sites: int | None = None,
        guests: int | Sequence[str] = 8,
        link_mbit: int = 200,
        site_mbit: int = 1000,
        local_mib: int = 1024,
    ) -> Lab:
        """Bring it up; one that is up already with the same plan is healed instead, any remains are removed first."""
        plan = make_plan(name, hosts, sites, guests, link_mbit, site_mbit, local_mib)
        with lab_lock(name):
            lab = cls.recorded(name)
            if lab and lab.is_whole():
                if replace(lab.plan, links={}) != plan:
                    raise LabError(f"lab {name} is up with another plan; take it down first")
                lab.heal_hosts()
                return lab
            raising.raze(name)
            try:
                raising.raise_lab(plan)
            except BaseException:
                raising.raze(name)
                raise
        return cls.open(name)

    @classmethod
    def open(cls, name: str = "demo") -> Lab:
        """The lab of that name; LabError if it is not up."""
        lab = cls.recorded(name)
        if lab is None:
            raise LabError(f"lab {name} is not up")
        return lab

    @classmethod
    def recorded(cls, name: str) -> Lab | None:
        """What the state file says, whether or not it is still true."""
        state = read_state(Places(name))
        return cls(plan_from_json(state["plan"]), state["subnet"]) if state else None

    def down(self) -> None:
        """Leave nothing."""
        raising.lower_lab(self.name)

    def is_whole(self) -> bool:
        """Whether `up` once ended well and every namespace is still there."""
        found = processes.lab_processes(self.name)
        owners = [processes.FABRIC, *self.hosts]
        complete = (read_state(self.places) or {}).get("complete", False)
        return complete and all(holders.find(self.name, owner, found) for owner in owners)

    def heal_hosts(self) -> None:
        """Start what does not run, let go on what was stopped, and mend the network."""
        self.heal()
        for name in self.hosts:
            self.release(name)
        processes.send(self.processes(), signal.SIGCONT)
        raising.start_hosts(self.places, self.plan, self.addresses)

    def reset(self, hard: bool = False) -> None:
        """Every guest back at its first host in its first state, every fault gone.

        Guests that never left and still run are kept as they are unless `hard`; the others get new disks and logs.
        """
        with lab_lock(self.name):
            resetting.reset(self, hard)

    # -- what is there ----------------------------------------------------------------------------------------------

    def processes(self, owner: str | None = None) -> list[Process]:
        """Every process of the lab, or of one host."""
        return [p for p in processes.lab_processes(self.name) if owner in (None, p.owner)]

    def running_copies(self, guest: str) -> list[str]:
        """The hosts with a QEMU process for it, by looking at processes; a host with two appears twice."""
        return [process.owner for process in guests.copies(self.processes()).get(guest, [])]

    def describe(self) -> dict[str, Any]:
        """What `status --json` prints; the shape is in docs/lab.md."""
        return describing.describe(self)

    def serial(self, guest: str) -> str:
        """Everything the guest ever wrote to its serial line."""
        return self.places.serial(guest).read_text(errors="replace")

    def whereabouts(self, guest: str) -> str:
        """The one host it runs on, else the host that has it defined; LabError for two or none."""
        running = self.running_copies(guest)
        if len(running) == 1:
            return running[0]
        defined = [name for name in self.hosts if guest in self.virsh(name, "list", "--all", "--name").split()]
        if running or len(defined) != 1:
            raise LabError(f"{guest} runs at {running or 'no host'} and is defined at {defined or 'no host'}")
        return defined[0]

    def check_counter(self, guest: str) -> Verdict:
        """Whether a write the guest's disk had acknowledged is missing, or the guest ever ran twice."""
        return guests.check_counter(self.places, self.whereabouts(guest), guest)

    def address_of(self, guest: str) -> str:
        """A guest's own address in the lab's network, the same on every host."""
        return addresses.guest(self.subnet, self.guests[guest].number)

    def state(self, guest: str) -> dict[str, int]:
        """What a guest's program says of itself: uptime_ms, rate, dirtied_pages, stale_pages, next."""
        return guests.state(self.address_of(guest))

    def check_memory(self, guest: str) -> int:
        """How many pages of a guest that writes its memory have lost a write, since it booted; none is right."""
        return guests.check_memory(self.address_of(guest), self.guests[guest].set_mib * PAGES_PER_MIB)

    def pause_meter(self, guest: str) -> guests.PauseMeter:
        """A context that measures the longest silence of a guest that ticks or counts."""
        return guests.PauseMeter(self.places.serial(guest))

    def dirty(self, guest: str, mib_s: int) -> str:
        """Change how fast a running guest dirties its memory; returns its answer."""
        return self.ask(guest, f"rate {mib_s}")

    def ask(self, guest: str, words: str = "state") -> str:
        """Talk to the guest's program over the lab's network."""
        return guests.ask(self.address_of(guest), words)

    def pool_uuids(self, name: str) -> dict[str, str]:
        """A host's pools; equal UUIDs are the same storage."""
        return raising.pool_uuids(self.plan, next(one for one in self.plan.hosts if one.name == name))

    # -- inside a host ----------------------------------------------------------------------------------------------

    def exec(self, name: str, *argv: str, check: bool = True, timeout_s: float = 120) -> str:
        """Run a command inside a host; returns its stdout."""
        return processes.run(holders.entered(self.name, self.known(name), argv), check=check, timeout_s=timeout_s)

    def virsh(self, name: str, *argv: str, check: bool = True, timeout_s: float = 120) -> str:
        """Run virsh inside a host, behind Drover's back."""
        return host.virsh(self.name, self.known(name), argv, check, timeout_s)

    def known(self, name: str) -> str:
        """The name, if it is a host of this lab."""
        if name not in self.hosts:
            raise LabError(f"lab {self.name} has no host {name}, only {', '.join(self.hosts)}")
        return name

    # -- faults -----------------------------------------------------------------------------------------------------

    def kill(
        self,
        name: str,
        *,
        daemon: bool = False,
        qemu: str | None = None,
        everything: bool = False,
        number: int = signal.SIGKILL,
    ) -> int:
        """Signal a host's libvirtd, one guest's QEMU, or everything on it (a power cut); returns how many processes."""
        holder = holders.pid(self.name, self.known(name))
        targets = [
            p
            for p in self.processes(name)
            if (daemon and p.program == "libvirtd")
            or (qemu is not None and p.guest == qemu)
            or (everything and p.pid != holder and p.program not in ("bindfs", "unshare"))
        ]
        processes.send(targets, number)
        if number == signal.SIGKILL:
            if everything:
                host.forget_run(self.name, name)
            gone = {(p.pid, p.started) for p in targets}
            processes.wait_until(
                lambda: not gone & {(p.pid, p.started) for p in self.processes(name)}, 10, f"{name}: still there"
            )
        return len(targets)

    def restart(self, name: str) -> None:
        """Start libvirtd and sshd again where they do not run; a running QEMU is picked up again."""
        host.start_daemons(self.places, self.known(name))
        host.wait_for_daemon(self.places, name, self.addresses[name])

    def cut(self, one: str, other: str | None = None, *, loss_percent: int = 100, port: int | None = None) -> None:
        """Drop what passes between two hosts, a host and "manager", or (alone) a host and everybody.

        `port`: between two, only the connections to this TCP port.
        """
        if port is not None and other is None:
            raise LabError("one port is cut between two hosts: name the other one as well")
        ends = [self.known(one), *([other] if other is not None else [])]
        if other not in (None, cuts.MANAGER):
            self.known(ends[-1])
        self.change_cuts([*self.cuts(), Cut(one, other, loss_percent, port)])

    def heal(self, one: str | None = None, other: str | None = None) -> None:
        """Take back all cuts, all of one host, or the one between two."""
        self.change_cuts([cut for cut in self.cuts() if not cut.touches(one, other)])

    def cuts(self) -> list[Cut]:
        """The cuts in force."""
        return [Cut(**cut) for cut in (read_state(self.places) or {}).get("cuts", [])]

    def change_cuts(self, wanted: Sequence[Cut]) -> None:
        """Put them in force, then record them."""
        cuts.apply(self.name, wanted, self.addresses)
        self.record(cuts=[vars(cut) for cut in wanted])

    def link(self, source: str, target: str, mbit: int) -> None:
        """Change the speed between two sites, in use or not."""
        slugs = {site.slug for site in self.plan.sites}
        if source == target or not {source, target} <= slugs:
            raise LabError(f"no link between {source} and {target}; the sites are {', '.join(sorted(slugs))}")
        self.change_links({**self.plan.links, link_key(source, target): mbit})

    def change_links(self, links: dict[str, int]) -> None:
        """Put these speeds in force."""
        self.plan = replace(self.plan, links=links)
        network.reshape(self.plan)
        self.record(plan=plan_to_json(self.plan))

    def fill(self, name: str, leave_mib: int) -> None:
        """Leave only this much room in a host's local pool."""
        storage.fill(self.name, self.known(name), leave_mib)

    def unfill(self, name: str) -> None:
        """Give it back."""
        storage.unfill(self.name, self.known(name), self.plan.local_mib)

    def hold(self, name: str, guest: str | None = None, *, at: str = "prepare") -> None:
        """Make the host's libvirtd wait at this point of a migration (see holds.py) until `release`."""
        holds.hold(self.places, self.known(name), at, guest)

    def wait_held(self, name: str, timeout_s: float = 30) -> str:
        """Until it waits there."""
        return holds.wait_held(self.places, self.known(name), timeout_s)

    def is_held(self, name: str) -> bool:
        """Whether it waits there now."""
        return bool(holds.reached(self.places, self.known(name)))

    def release(self, name: str) -> None:
        """Let it go on."""
        holds.release(self.places, self.known(name))

    def record(self, **values: Any) -> None:
        """Change some keys of the state file."""
        with locked(self.places.home / ".state.lock"):
            write_state(self.places, {**(read_state(self.places) or {}), **values})

    def pool_folders(self) -> dict[str, str]:
        """Name to path of the pools, equal on all hosts."""
        return dict(domain.POOL_FOLDERS)
