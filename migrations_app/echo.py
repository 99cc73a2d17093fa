"""Boundary: ask one address for echoes and note when each was answered."""

from __future__ import annotations

import ipaddress
import secrets
import select
import socket
import time

from migrations_app import icmp


class NoEcho(Exception):
    """This process may not send echoes, or not there; the text says why."""


class EchoLine:
    """A socket to one address: without privileges where the system allows it, else raw."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._v6 = ipaddress.ip_address(address).version == 6
        self._token = secrets.token_bytes(icmp.TOKEN_BYTES)
        self._socket, self._raw = _open(self._v6)
        self._socket.setblocking(False)

    def ask(self, sequence: int) -> None:
        """Send one echo; a full buffer or a missing route is a lost echo, no error."""
        try:
            self._socket.sendto(icmp.question(sequence, self._token, v6=self._v6), (self.address, 0))
        except OSError:
            return

    def answers(self, *, wait_s: float) -> list[tuple[int, float]]:
        """(sequence, monotonic second) of what came in; waits for the first at most that long."""
        found: list[tuple[int, float]] = []
        if not select.select([self._socket], [], [], max(wait_s, 0))[0]:
            return found
        now = time.monotonic()
        while True:
            try:
                packet, sender = self._socket.recvfrom(256)
            except OSError:
                return found
            header = self._raw and not self._v6
            sequence = icmp.answered(packet, self._token, v6=self._v6, with_ip_header=header)
            if sequence is not None and sender[0].split("%")[0] == self.address:
                found.append((sequence, now))

    def close(self) -> None:
        """No more echoes."""
        self._socket.close()


def _open(v6: bool) -> tuple[socket.socket, bool]:
    family, protocol = (
        (socket.AF_INET6, socket.getprotobyname("ipv6-icmp")) if v6 else (socket.AF_INET, socket.IPPROTO_ICMP)
    )
    try:
        return socket.socket(family, socket.SOCK_DGRAM, protocol), False
    except PermissionError:
        pass
    except OSError as error:
        raise NoEcho(f"no socket for echoes: {error.strerror}") from None
    try:
        return socket.socket(family, socket.SOCK_RAW, protocol), True
    except OSError:
        text = "the worker may not send echoes (allow its group in net.ipv4.ping_group_range, or give it CAP_NET_RAW)"
        raise NoEcho(text) from None
