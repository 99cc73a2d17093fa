"""Warm connections to hosts: one per address and process, opened at first use and again when lost."""

from __future__ import annotations

import threading

from fleet.hypervisor import fake
from fleet.hypervisor.config import EdgeConfig
from fleet.hypervisor.environment import forget_redirections
from fleet.hypervisor.facts import HostAddress
from fleet.hypervisor.interface import Hypervisor
from fleet.hypervisor.uris import checked

_lock = threading.Lock()
_config = EdgeConfig()
_open: dict[HostAddress, Hypervisor] = {}


def configure(config: EdgeConfig) -> None:
    """Use these keys, deadlines and transports from now on; open connections are dropped."""
    global _config  # noqa: PLW0603 - one per process is the point
    close_all()
    with _lock:
        _config = config


def configuration() -> EdgeConfig:
    """What `configure` was given."""
    return _config


def get(address: HostAddress) -> Hypervisor:
    """The connection to this host; it opens with the first call, and every call says what is wrong.

    Raises Refused for an address that must not be used; reaching the host is left to the first call.
    """
    if address.transport == "fake" and "fake" in _config.transports:
        return fake.fleet().get(address)
    checked(address, _config)
    with _lock:
        connection = _open.get(address)
        if connection is None:
            forget_redirections()
            from fleet.hypervisor.libvirt_host import LibvirtHost  # noqa: PLC0415 - web processes never load libvirt

            connection = _open[address] = LibvirtHost(address, _config)
        return connection


def drop(address: HostAddress) -> None:
    """Forget the connection to this host, under all addresses it ever had; calls under way end by themselves."""
    with _lock:
        gone = [known for known in _open if known.name == address.name or _place(known) == _place(address)]
        connections = [_open.pop(known) for known in gone]
    for connection in connections:
        connection.close()


def close_all() -> None:
    """Forget every connection."""
    with _lock:
        connections = list(_open.values())
        _open.clear()
    for connection in connections:
        connection.close()


def _place(address: HostAddress) -> tuple[str, str, int | None]:
    return address.transport, address.address, address.port
