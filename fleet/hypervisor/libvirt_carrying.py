"""Moves through the worker, over libvirt: save and restore, definitions, starting paused, raw volume data."""

# ruff: noqa: D102 - the Protocol says what its methods mean

from __future__ import annotations

from collections.abc import Callable

import libvirt

from fleet.hypervisor import streams
from fleet.hypervisor.libvirt_calls import LibvirtCalls, except_for
from fleet.hypervisor.pieces import FileFacts, Piece
from fleet.hypervisor.session import translated
from fleet.hypervisor.translate import NO_DOMAIN

#: Starting QEMU, and carrying a piece over a slow link, take longer than an ordinary call.
SLOW = 4
#: Already on, or already off.
_NOTHING_TO_DO = libvirt.VIR_ERR_OPERATION_INVALID


class LibvirtCarrying(LibvirtCalls):
    """See `interface.Carrying`."""

    def start_paused(self, uuid: str) -> None:
        def start(connection: libvirt.virConnect) -> None:
            domain = connection.lookupByUUIDString(uuid)
            if not domain.isActive():
                domain.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)

        self._ask(start, slow=SLOW)

    def resume(self, uuid: str) -> None:
        def go_on(_: libvirt.virConnect, domain: libvirt.virDomain) -> None:
            if domain.state()[0] != libvirt.VIR_DOMAIN_RUNNING:
                domain.resume()

        self._ask_guest(uuid, go_on)

    def destroy(self, uuid: str) -> None:
        def stop(connection: libvirt.virConnect) -> None:
            domain = connection.lookupByUUIDString(uuid)
            if domain.isActive():
                with except_for(_NOTHING_TO_DO):
                    domain.destroy()

        self._ask(stop, slow=SLOW)

    def definition_xml(self, uuid: str) -> str:
        flags = libvirt.VIR_DOMAIN_XML_SECURE | libvirt.VIR_DOMAIN_XML_INACTIVE
        return self._ask_guest(uuid, lambda _, domain: domain.XMLDesc(flags))

    def define(self, xml: str) -> None:
        self._ask(lambda connection: connection.defineXML(xml), slow=SLOW)

    def undefine(self, uuid: str) -> None:
        def forget(connection: libvirt.virConnect) -> None:
            with except_for(NO_DOMAIN):
                domain = connection.lookupByUUIDString(uuid)
                if domain.isPersistent():
                    # What would be lost with it is refused before: snapshots, UEFI variables, a managed save.
                    domain.undefineFlags(0)

        self._ask(forget)

    def save(self, uuid: str, path: str) -> None:
        self._for_long(lambda connection: connection.lookupByUUIDString(uuid).saveFlags(path, None, 0))

    def image_xml(self, path: str) -> str:
        secure = libvirt.VIR_DOMAIN_SAVE_IMAGE_XML_SECURE
        return self._ask(lambda connection: connection.saveImageGetXMLDesc(path, secure))

    def restore(self, path: str, *, xml: str = "") -> None:
        paused = libvirt.VIR_DOMAIN_SAVE_PAUSED
        self._for_long(lambda connection: connection.restoreFlags(path, xml or None, paused))

    def file(self, path: str) -> FileFacts | None:
        return self._ask(lambda connection: streams.file(connection, path), slow=SLOW)

    def download(self, path: str, *, offset: int, length: int, at_most_bytes: int) -> Piece:
        return self._ask(
            lambda connection: streams.download(
                connection, path, offset=offset, length=length, at_most_bytes=at_most_bytes
            ),
            slow=SLOW,
        )

    def upload(self, path: str, piece: Piece) -> None:
        self._ask(lambda connection: streams.upload(connection, path, piece), slow=SLOW)

    def _for_long(self, work: Callable[[libvirt.virConnect], object]) -> None:
        """In the caller's own thread: it may take long, keepalive ends it when the host is gone."""
        with self._sessions.lend(for_long=True) as loan:
            try:
                work(loan.session.connection)
            except libvirt.libvirtError as error:
                raise translated(error, self.address.name) from error
