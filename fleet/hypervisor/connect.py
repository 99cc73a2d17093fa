"""Warm connections to hosts: one per address and process, opened at first use and again when lost."""

from __future__ import annotations

import threading

from fleet.hypervisor import fake
from fleet.hypervisor.config import EdgeConfig
from fleet.hypervisor.facts import HostAddress
from fleet.hypervisor.interface import Hypervisor
from fleet.refusals import Refused

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
    """The connection to this host; it opens with the first call and every call says what is wrong.

    Raises Refused for an address that must not be used; reaching the host is left to the first call.
    """
    if address.transport == "fake" and "fake" in _config.transports:
        return fake.fleet().get(address)
    raise Refused(f"Transport '{address.transport}' is not allowed here", code="invalid_address", field="transport")


def drop(address: HostAddress) -> None:
    """Forget the connection to this host; its calls that are under way end by themselves."""
    with _lock:
        connection = _open.pop(address, None)
    if connection is not None:
        connection.close()


def close_all() -> None:
    """Forget every connection."""
    with _lock:
        connections = list(_open.values())
        _open.clear()
    for connection in connections:
        connection.close()
