"""The `Carrying` family on a fake host: images and raw data are bytes in its folders."""

# ruff: noqa: D102 - the Protocol says what its methods mean

from __future__ import annotations

import dataclasses
import hashlib
from typing import TYPE_CHECKING

from fleet.hypervisor import domain_xml
from fleet.hypervisor.errors import HypervisorError, NoSpace
from fleet.hypervisor.facts import GuestEvent, GuestFacts, VolumeFacts
from fleet.hypervisor.fake_calls import FakeCalls
from fleet.hypervisor.fake_xml import as_described
from fleet.hypervisor.pieces import BLOCK_BYTES, FileFacts, Piece, span_of

if TYPE_CHECKING:
    from fleet.hypervisor.fake import FakeFolder

_ACTIVE = frozenset({"running", "paused"})
#: A saved guest's image: enough for several pieces, little to copy.
IMAGE_BYTES = 3 * BLOCK_BYTES + 4096


class FakeCarrying(FakeCalls):
    """See `interface.Carrying`; tests also set `spoil_next_upload`."""

    #: What is written next is not what was sent.
    spoil_next_upload = False

    def start_paused(self, uuid: str) -> None:
        def start() -> None:
            if self._known(uuid).state not in _ACTIVE:
                self._become(uuid, "paused", "starting_up")

        self._do("start_paused", start)

    def resume(self, uuid: str) -> None:
        def go_on() -> None:
            if self._known(uuid).state not in _ACTIVE:
                raise HypervisorError("domain is not running", host=self.name)
            self._become(uuid, "running", "unpaused")

        self._do("resume", go_on)

    def destroy(self, uuid: str) -> None:
        def stop() -> None:
            if self._known(uuid).state in _ACTIVE:
                self._off(uuid, "destroyed")

        self._do("destroy", stop)

    def definition_xml(self, uuid: str) -> str:
        return self._do("definition_xml", lambda: self._known(uuid).xml)

    def define(self, xml: str) -> None:
        def define() -> None:
            told = domain_xml.guest_facts(xml)
            present = self.guest_rows.get(told.uuid)
            if present is None:
                told = dataclasses.replace(told, state="shutoff")
            elif present.state in _ACTIVE:
                told = dataclasses.replace(present, persistent=True)
            else:
                told = dataclasses.replace(as_described(present, xml), persistent=True)
            self.guest_rows[told.uuid] = told
            self._tell(told, "defined")

        self._do("define", define)

    def undefine(self, uuid: str) -> None:
        def forget() -> None:
            guest = self.guest_rows.get(uuid)
            if guest is None:
                return
            if guest.state in _ACTIVE:
                self.guest_rows[uuid] = dataclasses.replace(guest, persistent=False)
            else:
                del self.guest_rows[uuid]
            self._tell(guest, "undefined")

        self._do("undefine", forget)

    def save(self, uuid: str, path: str) -> None:
        def save() -> None:
            guest = self._known(uuid)
            if guest.state not in _ACTIVE:
                raise HypervisorError("domain is not running", host=self.name)
            self.put_file(path, f"image of {uuid}".encode().ljust(IMAGE_BYTES, b"m"))
            self.fleet.images[self._image_mark(path)] = guest
            self._off(uuid, "saved")

        self._do("save", save)

    def image_xml(self, path: str) -> str:
        return self._do("image_xml", lambda: self._image(path).xml)

    def restore(self, path: str, *, xml: str = "") -> None:
        def restore() -> None:
            guest = self._image(path)
            present = self.guest_rows.get(guest.uuid)
            if present is not None and present.state in _ACTIVE:
                raise HypervisorError(f"domain '{guest.name}' is already active", host=self.name)
            back = dataclasses.replace(as_described(guest, xml), state="paused", persistent=present is not None)
            self.guest_rows[guest.uuid], self.reasons[guest.uuid] = back, "migration"
            self._tell(back, "started", "restored")

        self._do("restore", restore)

    def file(self, path: str) -> FileFacts | None:
        def look() -> FileFacts | None:
            if self._volume_at(path) is None:
                return None
            data = bytes(self._data(path))
            return FileFacts(length_bytes=len(data), changed_at=hashlib.sha256(data).hexdigest())

        return self._do("file", look)

    def download(self, path: str, *, offset: int, length: int, at_most_bytes: int) -> Piece:
        def read() -> Piece:
            data = bytes(self._data(path)[offset : offset + min(length, at_most_bytes)])
            blocks = (data[at : at + BLOCK_BYTES] for at in range(0, len(data), BLOCK_BYTES))
            return Piece(offset=offset, spans=tuple(map(span_of, blocks)))

        return self._do("download", read)

    def upload(self, path: str, piece: Piece) -> None:
        def write() -> None:
            if any(folder.full for folder, _ in self.pool_folders.values()):
                raise NoSpace(f"{self.name}: No space left on device", host=self.name)
            content = b"".join(span.data or bytes(span.hole_bytes) for span in piece.spans)
            if self.spoil_next_upload:
                self.spoil_next_upload, content = False, bytes(len(content))
            self._data(path)[piece.offset : piece.end] = content

        self._do("upload", write)

    # -- inside, and for tests ----------------------------------------------------------------------------------------

    def put_file(self, path: str, content: bytes) -> None:
        """A file with this content, as a volume of the pool over its folder."""
        for pool, (folder, _) in self.pool_folders.items():
            head, _, name = path.rpartition("/")
            if folder.path == head:
                size = len(content)
                folder.volumes[name] = VolumeFacts(
                    path=path, pool=pool, name=name, format="raw", capacity_bytes=size, allocation_bytes=size
                )
                folder.data[name] = bytearray(content)
                return
        raise HypervisorError(f"{self.name} has no pool over {path}", host=self.name)

    def _data(self, path: str) -> bytearray:
        found = self._volume_at(path)
        if found is None:
            raise HypervisorError(f"There is no volume {path}", host=self.name, libvirt_code=50)
        folder, volume = found
        length = volume.capacity_bytes if volume.format == "raw" else volume.allocation_bytes
        return folder.data.setdefault(volume.name, bytearray(length))

    def _volume_at(self, path: str) -> tuple[FakeFolder, VolumeFacts] | None:
        places = ((folder, one) for folder, _ in self.pool_folders.values() for one in folder.volumes.values())
        return next(((folder, one) for folder, one in places if one.path == path), None)

    def _image(self, path: str) -> GuestFacts:
        found = self.fleet.images.get(self._image_mark(path))
        if found is None:
            raise HypervisorError("save image is incomplete", host=self.name)
        return found

    def _image_mark(self, path: str) -> bytes:
        """Images are known by what they hold, so a copy that arrived whole is one too."""
        return bytes(self._data(path))

    def _become(self, uuid: str, state: str, reason: str) -> None:
        self.guest_rows[uuid] = dataclasses.replace(self._known(uuid), state=state)
        self.reasons[uuid] = reason
        self._tell(self.guest_rows[uuid], {"running": "resumed", "paused": "suspended"}.get(state, state), reason)

    def _off(self, uuid: str, reason: str) -> None:
        guest = self._known(uuid)
        if guest.persistent:
            self.guest_rows[uuid], self.reasons[uuid] = dataclasses.replace(guest, state="shutoff"), reason
        else:
            del self.guest_rows[uuid]
        self._tell(guest, "stopped", reason)

    def _tell(self, guest: GuestFacts, detail: str, reason: str = "") -> None:
        event = GuestEvent(kind="lifecycle", uuid=guest.uuid, name=guest.name, detail=detail, reason=reason)
        for subscriber in list(self.subscribers):
            subscriber(event)
