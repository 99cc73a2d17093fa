"""Pure. Who has which address in a lab's subnet, and which subnet is free."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from lab.plan import BadPlan

CANDIDATES = [ipaddress.IPv4Network(f"10.213.{n}.0/24") for n in range(1, 255)]


def free_subnet(taken: Iterable[str]) -> str:
    """The first of ours that overlaps nothing in `taken` (networks in text; the default route is no obstacle)."""
    used = [ipaddress.IPv4Network(text, strict=False) for text in taken]
    used = [network for network in used if network.prefixlen > 0]
    for candidate in CANDIDATES:
        if not any(candidate.overlaps(network) for network in used):
            return str(candidate)
    raise BadPlan("no free subnet in 10.213.0.0/16")


def address(subnet: str, offset: int) -> str:
    """The nth address of a subnet."""
    return str(ipaddress.IPv4Network(subnet)[offset])


def manager(subnet: str) -> str:
    """Where Drover itself lives: the machine's own address in the lab."""
    return address(subnet, 1)


def host(subnet: str, number: int) -> str:
    """A host's address."""
    return address(subnet, 11 + number)


def guest(subnet: str, number: int) -> str:
    """A guest's own address, kept wherever it goes."""
    return address(subnet, 101 + number)


def guest_mac(subnet: str, number: int) -> str:
    """Unique over all labs of a machine, because the third octet of the subnet is."""
    return f"52:54:00:d0:{int(subnet.split('.')[2]):02x}:{number + 1:02x}"


def host_mac(subnet: str, number: int) -> str:
    """Of a host's br0."""
    return f"52:54:00:d1:{int(subnet.split('.')[2]):02x}:{number + 1:02x}"


def manager_interface(lab: str, subnet: str) -> str:
    """The only link a lab has in the machine's own network namespace; at most 15 characters."""
    name = f"dl-{lab}"
    return name if len(name) <= 15 else f"dl-{lab[:8]}{int(subnet.split('.')[2]):03d}"
