"""Which address the web process listens on."""

from __future__ import annotations

import ipaddress
import socket
from contextlib import closing

from fleet.refusals import Refused

FIRST_PORT = 8000
LAST_PORT = 8019


def choose(wanted: str = "") -> tuple[str, int]:
    """Address and port for "", "ADDRESS", ":PORT" or "ADDRESS:PORT"; without a port the first free one from 8000.

    Refused when a port that was asked for is taken.
    """
    address, port = parse(wanted)
    if port is not None:
        if not is_free(address, port):
            raise Refused(
                f"Port {port} of {address} is taken.", code="port_taken", remedy="Name another: --listen ADDRESS:PORT"
            )
        return address, port
    for candidate in range(FIRST_PORT, LAST_PORT + 1):
        if is_free(address, candidate):
            return address, candidate
    raise Refused(
        f"No port from {FIRST_PORT} to {LAST_PORT} of {address} is free.",
        code="port_taken",
        remedy="Name one: --listen ADDRESS:PORT",
    )


def parse(wanted: str) -> tuple[str, int | None]:
    """An IP address (IPv6 in brackets when a port follows) and a port, either may be left out."""
    address, separator, port = wanted.rpartition(":") if not wanted.endswith("]") else (wanted, "", "")
    if not separator:
        address, port = (wanted, "") if not wanted.isdigit() else ("", wanted)
    address = address.strip("[]") or "127.0.0.1"
    try:
        ipaddress.ip_address("127.0.0.1" if address == "localhost" else address)
        number = int(port) if port else None
        if number is not None and not 0 < number < 65536:
            raise ValueError
    except ValueError:
        raise Refused(
            f"'{wanted}' is no address to listen on.", code="bad_address", remedy="Write it as 127.0.0.1:8000"
        ) from None
    return address, number


def is_free(address: str, port: int) -> bool:
    """Whether nothing listens there now."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with closing(socket.socket(family, socket.SOCK_STREAM)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True


def is_loopback(address: str) -> bool:
    """Whether only this machine can reach it."""
    return address == "localhost" or ipaddress.ip_address(address).is_loopback


def url(address: str, port: int) -> str:
    """What to type into a browser on this machine."""
    if address in ("0.0.0.0", "::"):  # noqa: S104
        address = "127.0.0.1"
    return f"http://[{address}]:{port}" if ":" in address else f"http://{address}:{port}"
