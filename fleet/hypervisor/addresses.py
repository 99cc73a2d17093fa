"""Where Drover may connect to: a host's name is looked up once and every answer must be in allowed networks.

A name could be pointed elsewhere between this look-up and libvirt's own. TLS (our authority, the host's name) and ssh
(the pinned host key) then refuse the stranger before a libvirt call is made; clear-text tcp, which has no such proof,
is connected to by the checked IP address itself.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable

from fleet.hypervisor.config import EdgeConfig
from fleet.hypervisor.errors import HostUnreachable
from fleet.hypervisor.facts import HostAddress
from fleet.refusals import Refused

NETWORK_TRANSPORTS = frozenset({"tls", "ssh", "tcp"})
Resolve = Callable[[str], list[str]]


def look_up(name: str) -> list[str]:
    """IP addresses of a host name; raises OSError when there are none."""
    found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]).split("%")[0] for entry in found))


def allowed(address: HostAddress, config: EdgeConfig, resolve: Resolve = look_up) -> list[str]:
    """The host's IP addresses, all of them allowed; empty for transports that use no network.

    Raises HostUnreachable when the name is unknown, Refused when an address lies where no host may be.
    """
    if address.transport not in NETWORK_TRANSPORTS:
        return []
    try:
        found = resolve(address.address)
    except (OSError, UnicodeError) as error:
        text = f"The name '{address.address}' is unknown here: {getattr(error, 'strerror', None) or error}"
        raise HostUnreachable(text, host=address.name) from error
    for text in found:
        _check(text, address, config)
    return found


def _check(text: str, address: HostAddress, config: EdgeConfig) -> None:
    ip = ipaddress.ip_address(text)
    plain = getattr(ip, "ipv4_mapped", None) or ip
    if config.networks:
        if not any(plain in network for network in config.networks):
            where = ", ".join(map(str, config.networks))
            raise _refusal(address, text, f"outside the networks hosts may be in ({where})")
        return
    if address.transport == "tcp" and plain.is_loopback:
        return  # clear text is for tests, and those run on this machine
    for word in ("unspecified", "loopback", "link_local", "multicast"):
        if getattr(plain, f"is_{word}"):
            raise _refusal(address, text, f"a {word.replace('_', '-')} address")


def _refusal(address: HostAddress, ip: str, why: str) -> Refused:
    named = f"'{address.address}'" if address.address == ip else f"'{address.address}' ({ip})"
    return Refused(
        f"{named} is {why}.",
        code="address_not_allowed",
        field="address",
        remedy="Use the host's address in its own network, or let the administrator change DROVER_HOST_NETWORKS.",
    )
