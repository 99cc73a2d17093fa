"""The lab in plain values, for `status --json` and for whoever seeds Drover's database from it."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any

from lab import addresses, domain, guests, holders, host
from lab.places import read_state
from lab.plan import describe_guest
from lab.processes import Process

if TYPE_CHECKING:
    from lab.fleet import Lab


def describe(lab: Lab) -> dict[str, Any]:
    """The shape is in docs/lab.md. Only processes are looked at, so a hung libvirtd does not hang this."""
    found = lab.processes()
    return {
        "name": lab.name,
        "up": lab.is_whole(),
        "home": str(lab.places.home),
        "subnet": lab.subnet,
        "manager_address": lab.manager_address,
        "manager_interface": addresses.manager_interface(lab.name, lab.subnet),
        "pki_dir": str(lab.pki_dir),
        "ssh_key": str(lab.ssh_key),
        "known_hosts": str(lab.known_hosts),
        "pools": lab.pool_folders(),
        "sites": [vars(site) for site in lab.plan.sites],
        "links": links(lab),
        "hosts": [describe_host(lab, name, found) for name in lab.hosts],
        "guests": describe_guests(lab, found),
        "cuts": (read_state(lab.places) or {}).get("cuts", []),
    }


def links(lab: Lab) -> list[dict[str, Any]]:
    """One per pair of sites; the speed is that of each direction."""
    return [
        {"source": one.slug, "target": other.slug, "mbit": lab.plan.mbit(one.slug, other.slug)}
        for one, other in combinations(lab.plan.sites, 2)
    ]


def describe_host(lab: Lab, name: str, found: list[Process]) -> dict[str, Any]:
    """`pid` is its libvirtd's, None while that does not run; `holder_pid` is what to nsenter."""
    one = lab.hosts[name]
    daemon = host.daemon(found, name)
    holder = holders.find(lab.name, name, found)
    return {
        **vars(one),
        "pid": daemon.pid if daemon else None,
        "holder_pid": holder.pid if holder else None,
        "pool_uuids": lab.pool_uuids(name),
        "uri": f"qemu+tls://{one.address}/system?pkipath={lab.pki_dir}",
        "ssh_uri": f"qemu+ssh://root@{one.address}/system",
    }


def describe_guests(lab: Lab, found: list[Process]) -> list[dict[str, Any]]:
    """`host` is where it began; `running_on` lists the hosts with a QEMU process for it now."""
    running = guests.copies(found)
    return [
        {
            "name": guest.name,
            "uuid": domain.guest_uuid(lab.name, guest.name),
            "temperament": guest.temperament,
            "host": guest.host,
            "running_on": [process.owner for process in running.get(guest.name, [])],
            "pool": guest.pool,
            "disk": domain.disk_path(guest),
            "memory_mib": guest.memory_mib,
            "vcpus": guest.vcpus,
            "rate": guest.rate,
            "address": addresses.guest(lab.subnet, guest.number),
            "mac": addresses.guest_mac(lab.subnet, guest.number),
            "serial": str(lab.places.serial(guest.name)),
            "description": describe_guest(guest),
        }
        for guest in lab.plan.guests
    ]
