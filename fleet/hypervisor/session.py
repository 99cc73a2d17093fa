"""One open libvirt connection, from opening it within a deadline to giving it up."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from typing import Any

import libvirt

from fleet.hypervisor import codes, event_loop, hostkeys
from fleet.hypervisor.addresses import NETWORK_TRANSPORTS, allowed
from fleet.hypervisor.config import EdgeConfig
from fleet.hypervisor.deadline import Bulkhead, in_background
from fleet.hypervisor.errors import BadCertificate, HostKeyUnknown, HypervisorError, NotAHypervisor
from fleet.hypervisor.facts import HostAddress
from fleet.hypervisor.knock import knock, what_is_wrong
from fleet.hypervisor.translate import translate
from fleet.hypervisor.uris import checked, control_uri
from fleet.hypervisor.watch import Watch

#: An open that hangs behind a successful knock: the next one may try after this time.
OPEN_QUIET_S = 60.0


class Session:
    """A libvirt connection with its events; once `lost` it is never used again."""

    def __init__(self, connection: libvirt.virConnect, config: EdgeConfig) -> None:
        self.connection = connection
        self.watch = Watch(connection)
        self.lost = ""
        self.generation = 0
        connection.registerCloseCallback(self._on_close, None)
        with contextlib.suppress(libvirt.libvirtError):  # in-process drivers have nothing to keep alive
            connection.setKeepAlive(config.keepalive_s, config.keepalive_count)

    @property
    def alive(self) -> bool:
        """Whether nobody has given the connection up and libvirt has not reported its end."""
        return not self.lost

    def usable(self) -> bool:
        """The same, asking libvirt (not the host); only for whoever has borrowed the connection."""
        if not self.lost and not self.connection.isAlive():
            self.lost = "error"
        return not self.lost

    def retire(self, reason: str) -> None:
        """Use it no more and tell who listens; a call that still hangs in it may go on."""
        if not self.lost:
            self.lost = reason
        self.watch.end(reason)

    def give_up(self, reason: str) -> None:
        """Retire and close it; only when no call is under way. Closing may hang, so it happens behind our back."""
        self.retire(reason)
        in_background(self.close)

    def close(self) -> None:
        """Close it in this thread, which may hang with the host; no call may be under way."""
        self.watch.deregister()
        with contextlib.suppress(libvirt.libvirtError):
            self.connection.unregisterCloseCallback()
        with contextlib.suppress(libvirt.libvirtError):
            self.connection.close()

    def _on_close(self, _connection: Any, reason: int, _opaque: Any) -> None:
        self.lost = codes.word(codes.CLOSE_REASONS, reason, "error")
        self.watch.end(self.lost)


def open_session(address: HostAddress, config: EdgeConfig, bulkhead: Bulkhead) -> Session:
    """A connection to the host, or one of our errors with the reason, within the configured deadline."""
    until = time.monotonic() + config.open_deadline_s
    checked(address, config)
    ips = allowed(address, config)
    if address.transport in NETWORK_TRANSPORTS:
        knock(address, ips, config, deadline_s=until - time.monotonic())
    if address.transport == "ssh":
        if not address.ssh_host_key:
            hostkeys.verify(address, hostkeys.scan(address, ips[0], deadline_s=until - time.monotonic()))
        hostkeys.pin(address, config)
    if address.transport == "tcp":
        address = dataclasses.replace(address, address=ips[0])
    uri = control_uri(address, config)
    try:
        return bulkhead.call(
            lambda: _open(uri, address, config),
            deadline_s=max(until - time.monotonic(), 0.5),
            quiet_s=OPEN_QUIET_S,
            late=lambda session: session.close() if session is not None else None,
        )
    except BadCertificate as error:
        if "verify peer" not in error.text:
            raise
        # libvirt prints the reason but does not raise it.
        why = what_is_wrong(address, ips, config, deadline_s=config.open_deadline_s)
        raise BadCertificate(f"{error.text}: {why}", host=address.name) from error
    except HostKeyUnknown:
        # libvirt says only that something is wrong with the key; show which one it was.
        hostkeys.verify(address, hostkeys.scan(address, ips[0], deadline_s=config.open_deadline_s))
        raise


def _open(uri: str, address: HostAddress, config: EdgeConfig) -> Session:
    event_loop.ensure_started()
    try:
        # The in-process test driver knows no flags; a URI with "://" never is an alias anyway.
        flags = 0 if uri.startswith("test:") else libvirt.VIR_CONNECT_NO_ALIASES
        connection = libvirt.openAuth(uri, [[], _no_questions, None], flags)
        driver = connection.getType()
    except libvirt.libvirtError as error:
        raise translated(error, address.name) from error
    if driver != "QEMU" and address.transport != "test":
        raise NotAHypervisor(f"libvirt there runs its {driver} driver, not QEMU", host=address.name)
    return Session(connection, config)


def _no_questions(_credentials: Any, _opaque: Any) -> int:
    return -1


def translated(error: libvirt.libvirtError, host: str) -> HypervisorError:
    """Our error for libvirt's."""
    return translate(
        code=error.get_error_code() or 0,
        domain=error.get_error_domain() or 0,
        text=error.get_error_message() or str(error),
        host=host,
    )
