"""Pure. What a lab consists of: sites, hosts, guests, with their names, numbers and addresses."""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

TEMPERAMENTS = ("idle", "dirty", "counter", "shutoff")
POOLS = ("shared", "local")
NAME = re.compile(r"^[a-z][a-z0-9-]{0,23}$")
NAMESPACE = uuid.UUID("6d1c31f1-6f8e-4c3b-9a51-d20fe2b1ab00")
TLS_PORT = 16514
SSH_PORT = 22

GREEK = (
    *("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu"),
    *("nu", "xi", "omicron", "pi", "rho", "sigma", "tau", "upsilon", "phi", "chi", "psi", "omega"),
)


class BadPlan(ValueError):
    """The description asks for something that cannot be built; the text says what."""


@dataclass(frozen=True)
class SitePlan:
    """A place with its own shared storage and its own time zone."""

    slug: str
    name: str
    latitude: float
    longitude: float
    time_zone: str


@dataclass(frozen=True)
class HostPlan:
    """One libvirtd in its own namespaces. `number` counts from 0 over the whole lab."""

    name: str
    site: str
    number: int


@dataclass(frozen=True)
class GuestPlan:
    """One guest at its first host; `disk_mib` is virtual, `data_mib` of it hold data a copy must carry."""

    name: str
    temperament: str
    host: str
    number: int
    pool: str = "shared"
    memory_mib: int = 96
    vcpus: int = 1
    disk_mib: int = 256
    data_mib: int = 8
    rate: int = 0
    set_mib: int = 16
    ticks_ms: int = 0
    #: Whether it answers libvirt as a guest agent does.
    agent: int = 0

    @property
    def runs(self) -> bool:
        """Whether the lab starts it."""
        return self.temperament != "shutoff"


@dataclass(frozen=True)
class LabPlan:
    """Everything `up` needs to know before it touches the machine."""

    name: str
    sites: tuple[SitePlan, ...]
    hosts: tuple[HostPlan, ...]
    guests: tuple[GuestPlan, ...]
    link_mbit: int = 200
    site_mbit: int = 1000
    local_mib: int = 1024
    links: dict[str, int] = field(default_factory=dict)

    def mbit(self, source: str, target: str) -> int:
        """Speed of the link between two sites, either way round."""
        return self.links.get(link_key(source, target), self.link_mbit)

    def at(self, site: str) -> list[HostPlan]:
        """The hosts of a site, in order."""
        return [host for host in self.hosts if host.site == site]


SITES = (
    SitePlan("north", "North (Helsinki)", 60.17, 24.94, "Europe/Helsinki"),
    SitePlan("south", "South (Lisbon)", 38.72, -9.14, "Europe/Lisbon"),
    SitePlan("east", "East (Tokyo)", 35.68, 139.69, "Asia/Tokyo"),
    SitePlan("west", "West (Denver)", 39.74, -104.99, "America/Denver"),
)

DEFAULT_GUESTS: tuple[tuple[str, str, int, dict[str, Any]], ...] = (  # name, temperament, host number, more
    ("web1", "idle", 0, {"agent": 1}),
    ("web2", "idle", 1, {}),
    ("cache1", "dirty", 0, {"rate": 20}),
    ("db1", "counter", 1, {}),
    ("mail1", "idle", 2, {}),
    ("db2", "counter", 2, {"pool": "local"}),
    ("batch1", "dirty", 3, {"rate": 40, "pool": "local"}),
    ("archive1", "shutoff", 3, {"pool": "local", "data_mib": 32}),
)

RATES = {"dirty": 20, "counter": 50}
WORDS = {
    "idle": "Does nothing, and costs nothing.",
    "dirty": "Rewrites {rate} MiB/s of its memory, over {set_mib} MiB.",
    "counter": "Writes a numbered record to its disk {rate} times a second.",
    "shutoff": "Switched off, with a disk.",
}


def make_plan(
    name: str = "demo",
    hosts: int = 4,
    sites: int | None = None,
    guests: int | Sequence[str] = 8,
    link_mbit: int = 200,
    site_mbit: int = 1000,
    local_mib: int = 1024,
) -> LabPlan:
    """Guests: how many of the usual ones, or their specifications (see parse_guest)."""
    sites = min(hosts, 2) if sites is None else sites
    if not NAME.match(name):
        raise BadPlan(f"{name!r} is no lab name: small letters, digits and dashes, at most 24")
    if not 1 <= hosts <= len(GREEK) or not 1 <= sites <= min(hosts, len(SITES)):
        raise BadPlan(f"between 1 and {len(GREEK)} hosts at between 1 and {len(SITES)} sites, no site without a host")
    chosen = SITES[:sites]
    machines = tuple(HostPlan(GREEK[n], chosen[n * sites // hosts].slug, n) for n in range(hosts))
    wanted = usual_guests(guests, machines) if isinstance(guests, int) else parse_guests(guests, machines)
    return LabPlan(name, chosen, machines, wanted, link_mbit, site_mbit, local_mib)


def usual_guests(count: int, hosts: Sequence[HostPlan]) -> tuple[GuestPlan, ...]:
    """The first `count` of the usual guests; the table is gone through again with higher numbers in the names."""
    found = []
    for n in range(count):
        name, temperament, host, more = DEFAULT_GUESTS[n % len(DEFAULT_GUESTS)]
        stem, digit = name[:-1], int(name[-1])
        turn = n // len(DEFAULT_GUESTS)
        found.append(
            complete(
                GuestPlan(
                    name=f"{stem}{digit + 2 * turn}",
                    temperament=temperament,
                    host=hosts[(host + turn) % len(hosts)].name,
                    number=n,
                    **more,
                )
            )
        )
    return tuple(found)


def parse_guests(specifications: Sequence[str], hosts: Sequence[HostPlan]) -> tuple[GuestPlan, ...]:
    """Each `name:temperament:host[:pool[:memory_mib[:key=value,...]]]`."""
    found = tuple(parse_guest(text, n) for n, text in enumerate(specifications))
    known = {host.name for host in hosts}
    for guest in found:
        if guest.host not in known:
            raise BadPlan(f"guest {guest.name}: there is no host {guest.host}, only {', '.join(sorted(known))}")
    if len({guest.name for guest in found}) < len(found):
        raise BadPlan("two guests have the same name")
    return found


def parse_guest(text: str, number: int) -> GuestPlan:
    """One specification, such as `web1:dirty:alpha:local:128:rate=30,set_mib=24,ticks_ms=10`."""
    parts = [*text.split(":"), "", "", ""]
    if len(parts) < 6 or len(parts) > 9:
        raise BadPlan(f"{text!r} is not name:temperament:host[:pool[:memory_mib[:key=value,...]]]")
    name, temperament, host, pool, memory, options = parts[:6]
    if not NAME.match(name):
        raise BadPlan(f"{name!r} is no guest name")
    if temperament not in TEMPERAMENTS:
        raise BadPlan(f"{temperament!r} is no temperament; there are {', '.join(TEMPERAMENTS)}")
    if (pool or "shared") not in POOLS:
        raise BadPlan(f"{pool!r} is no pool; there are {', '.join(POOLS)}")
    plain = GuestPlan(name, temperament, host, number, pool or "shared", int(memory or 96))
    return complete(replace(plain, **parse_options(options)))  # type: ignore[arg-type]


def parse_options(text: str) -> dict[str, int]:
    """The `key=value,...` tail of a specification; all values are whole numbers."""
    keys = ("vcpus", "disk_mib", "data_mib", "rate", "set_mib", "ticks_ms", "agent")
    found = {}
    for part in filter(None, text.split(",")):
        key, _, value = part.partition("=")
        if key not in keys or not value.isdigit():
            raise BadPlan(f"{part!r}: the options are {', '.join(keys)}, each with a whole number")
        found[key] = int(value)
    return found


def complete(guest: GuestPlan) -> GuestPlan:
    """With the temperament's usual rate where none was said."""
    return guest if guest.rate else replace(guest, rate=RATES.get(guest.temperament, 0))


def describe_guest(guest: GuestPlan) -> str:
    """One sentence for the guest's description."""
    return WORDS[guest.temperament].format(rate=guest.rate, set_mib=guest.set_mib)


def link_key(source: str, target: str) -> str:
    """One name for the link between two sites, whichever way it is asked."""
    return "/".join(sorted((source, target)))


def stable_uuid(lab: str, *path: str) -> str:
    """The same things have the same UUID in every run of a lab, and different ones in different labs."""
    return str(uuid.uuid5(NAMESPACE, "/".join((lab, *path))))
