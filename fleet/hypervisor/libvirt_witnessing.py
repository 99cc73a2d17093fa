"""Over libvirt: what proves where a guest is: its agent, its addresses, who has its disks open."""

# ruff: noqa: D102 - the Protocol says what its methods mean

from __future__ import annotations

from collections.abc import Collection

import libvirt

from fleet.hypervisor import storage, witness
from fleet.hypervisor.disk_files import own_files
from fleet.hypervisor.facts import FileUser
from fleet.hypervisor.interface import AgentWord
from fleet.hypervisor.libvirt_calls import LibvirtCalls

#: Every volume of every folder is looked at, which takes long where they are many.
_SLOW = 4


class LibvirtWitnessing(LibvirtCalls):
    """See `interface.Witnessing`."""

    def file_users(
        self, paths: Collection[str], *, only_active: bool = False, volumes: bool = False
    ) -> tuple[FileUser, ...]:
        def look(connection: libvirt.virConnect) -> tuple[FileUser, ...]:
            folders = storage.folders(connection)
            found = list(witness.guests_using(connection, paths, folders, only_active=only_active))
            if volumes:
                found += witness.volumes_using(connection, paths)
            return tuple(found)

        return self._ask(look, slow=_SLOW if volumes else 1)

    def own_files(self, uuid: str) -> tuple[str, ...]:
        def look(connection: libvirt.virConnect, domain: libvirt.virDomain) -> tuple[str, ...]:
            xml = domain.XMLDesc()
            # Where the pools' folders are is a question of its own, which few guests need.
            folders = storage.folders(connection) if "type='volume'" in xml else {}
            return tuple(sorted(own_files(xml, folders)))

        return self._ask_guest(uuid, look)

    def agent(self, uuid: str) -> AgentWord:
        return self._ask_guest(uuid, lambda _, domain: witness.agent(domain))

    def addresses(self, uuid: str) -> tuple[str, ...]:
        return self._ask_guest(uuid, lambda _, domain: witness.addresses(domain))

    def place_note(self, *, pool: str, name: str, text: str) -> str:
        return self._ask(lambda c: witness.place_note(c, pool=pool, name=name, text=text), slow=_SLOW)
