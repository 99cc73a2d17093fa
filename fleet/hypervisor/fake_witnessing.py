"""The `Witnessing` family on a fake host."""

# ruff: noqa: D102 - the Protocol says what its methods mean

from __future__ import annotations

from collections.abc import Collection

from fleet.hypervisor.facts import FileUser, VolumeFacts
from fleet.hypervisor.fake_calls import FakeCalls
from fleet.hypervisor.interface import AgentWord
from fleet.states import ACTIVE_GUEST_STATES


class FakeWitnessing(FakeCalls):
    """See `interface.Witnessing`; tests set `agents` and `neighbours`, and read `notes`."""

    @property
    def agents(self) -> dict[str, AgentWord]:
        """Guest UUID to what its agent says, wherever it runs."""
        return self.fleet.agents

    @property
    def neighbours(self) -> dict[str, tuple[str, ...]]:
        """Guest UUID to its addresses, wherever it runs."""
        return self.fleet.neighbours

    def file_users(
        self, paths: Collection[str], *, only_active: bool = False, volumes: bool = False
    ) -> tuple[FileUser, ...]:
        def look() -> tuple[FileUser, ...]:
            found = [
                FileUser(path=path, kind="guest", name=guest.name, uuid=guest.uuid, active=active)
                for guest in self.guest_rows.values()
                for disk in guest.disks
                for path in (disk.source, disk.backing)
                if path in paths and ((active := guest.state in ACTIVE_GUEST_STATES) or not only_active)
            ]
            based = (one for folder, _ in self.pool_folders.values() for one in folder.volumes.values())
            if volumes:
                found += [
                    FileUser(path=one.backing, kind="volume", name=one.path) for one in based if one.backing in paths
                ]
            return tuple(found)

        return self._do("file_users", look)

    def own_files(self, uuid: str) -> tuple[str, ...]:
        def look() -> tuple[str, ...]:
            disks = self._known(uuid).disks
            return tuple(disk.source for disk in disks if disk.source and not disk.readonly and not disk.shareable)

        return self._do("own_files", look)

    def agent(self, uuid: str) -> AgentWord:
        return self._do("agent", lambda: self.agents.get(self._known(uuid).uuid, AgentWord.NONE))

    def addresses(self, uuid: str) -> tuple[str, ...]:
        return self._do("addresses", lambda: self.neighbours.get(self._known(uuid).uuid, ()))

    def place_note(self, *, pool: str, name: str, text: str) -> str:
        def place() -> str:
            folder = self._folder(pool)
            path = f"{folder.path}/{name}"
            folder.volumes[name] = VolumeFacts(
                path=path, pool=pool, name=name, format="raw", capacity_bytes=len(text), allocation_bytes=len(text)
            )
            folder.notes[name] = text
            return path

        return self._do("place_note", place)
