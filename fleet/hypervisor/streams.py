"""A volume's raw data over an open libvirt connection: read with its holes, written with holes.

https://libvirt.org/html/libvirt-libvirt-storage.html#virStorageVolDownload; sparse streams came with libvirt 3.4.
"""

from __future__ import annotations

import contextlib

import libvirt

from fleet.hypervisor import pools, storage
from fleet.hypervisor.errors import HypervisorError
from fleet.hypervisor.pieces import BLOCK_BYTES, FileFacts, Piece, Span, span_of

#: More does not fit into one message of libvirt's protocol (VIR_NET_MESSAGE_LEGACY_PAYLOAD_MAX, 256 KiB with its head).
PACKET_BYTES = 262_120
_HOLE = -3


def file(connection: libvirt.virConnect, path: str) -> FileFacts | None:
    """Length and time of change as they are now; an image format's own header is not asked."""
    volume = storage.find(connection, path)
    if volume is None:
        return None
    length = volume.infoFlags(libvirt.VIR_STORAGE_VOL_GET_PHYSICAL)[2]
    return FileFacts(length_bytes=int(length), changed_at=pools.changed_at(volume.XMLDesc()))


def download(connection: libvirt.virConnect, path: str, *, offset: int, length: int, at_most_bytes: int) -> Piece:
    """The file from `offset`, until `length` are covered or `at_most_bytes` read, at a block's boundary."""
    stream = connection.newStream()
    spans: list[Span] = []
    sparse = libvirt.VIR_STORAGE_VOL_DOWNLOAD_SPARSE_STREAM
    _volume(connection, path).download(stream, offset, length, sparse)
    done = data_bytes = 0
    try:
        while done < length and (data_bytes < at_most_bytes or done % BLOCK_BYTES):
            # Never across a block, so that a full piece can end at one.
            room = min(PACKET_BYTES, length - done, BLOCK_BYTES - done % BLOCK_BYTES)
            span = _receive(stream, room)
            if span is None:
                raise HypervisorError(f"{path} ends at {offset + done}, sooner than it was said to", host="")
            spans.append(span)
            done += span.length
            data_bytes += len(span.data)
    except BaseException:
        _abort(stream)
        raise
    if done < length:
        _abort(stream)
    else:
        _finish_reading(stream)
    return Piece(offset=offset, spans=tuple(spans))


def upload(connection: libvirt.virConnect, path: str, piece: Piece) -> None:
    """Write the piece; it is in the file when this returns."""
    stream = connection.newStream()
    sparse = libvirt.VIR_STORAGE_VOL_UPLOAD_SPARSE_STREAM
    _volume(connection, path).upload(stream, piece.offset, piece.length, sparse)
    try:
        for span in piece.spans:
            if span.hole_bytes:
                stream.sendHole(span.hole_bytes)
            else:
                _send(stream, span.data)
        stream.finish()
    except BaseException:
        _abort(stream)
        raise


def _receive(stream: libvirt.virStream, room: int) -> Span | None:
    data = stream.recvFlags(room, libvirt.VIR_STREAM_RECV_STOP_AT_HOLE)
    if data == _HOLE:
        return Span(hole_bytes=int(stream.recvHole()))
    if not isinstance(data, bytes):
        raise HypervisorError("libvirt's stream would block, though it was told to wait")
    return span_of(data) if data else None


def _send(stream: libvirt.virStream, data: bytes) -> None:
    at = 0
    while at < len(data):
        at += stream.send(data[at : at + PACKET_BYTES])


def _finish_reading(stream: libvirt.virStream) -> None:
    """libvirt wants the end read before it calls a download finished."""
    with contextlib.suppress(libvirt.libvirtError):
        if stream.recvFlags(1, libvirt.VIR_STREAM_RECV_STOP_AT_HOLE) == _HOLE:
            stream.recvHole()
    with contextlib.suppress(libvirt.libvirtError):
        stream.finish()


def _abort(stream: libvirt.virStream) -> None:
    with contextlib.suppress(libvirt.libvirtError):
        stream.abort()


def _volume(connection: libvirt.virConnect, path: str) -> libvirt.virStorageVol:
    found = storage.find(connection, path)
    if found is None:
        raise HypervisorError(f"There is no volume {path}", libvirt_code=libvirt.VIR_ERR_NO_STORAGE_VOL)
    return found
