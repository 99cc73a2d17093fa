"""Boundary. The guests of a running lab: start them, see where they really are, talk to them, read what they wrote."""

from __future__ import annotations

import socket
import tempfile
import threading
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from lab import counter, domain, holders, host, image, processes, storage
from lab.places import Places
from lab.plan import GuestPlan
from lab.processes import LabError, Process

CONTROL_PORT = 7


def define_and_start(places: Places, owner: str, guests: Sequence[GuestPlan], subnet: str, what: image.Image) -> None:
    """Give a host its guests, over one connection."""
    folder = places.host(owner)
    words = []
    for guest in guests:
        storage.make_disk(places.name, guest)
        places.serial(guest.name).write_bytes(b"")
        xml = folder / f"{guest.name}.xml"
        serial = places.serial(guest.name)
        xml.write_text(domain.guest_xml(places.name, guest, subnet, what.kernel, what.initramfs, serial))
        words.append(f"define {xml}")
    words += [f"start {guest.name}" for guest in guests if guest.runs]
    words += [f"pool-refresh {pool}" for pool in domain.POOL_FOLDERS]
    host.virsh(places.name, owner, ["; ".join(words)])


def wait_ready(places: Places, guests: Sequence[GuestPlan], timeout_s: float = 60) -> None:
    """Until every running guest has said so on its serial line."""
    for guest in guests:
        if guest.runs:
            has_booted = partial(is_ready, places.serial(guest.name))
            processes.wait_until(has_booted, timeout_s, f"{guest.name} does not boot")


def is_ready(log: Path) -> bool:
    """Whether the guest's program has said that it runs."""
    return b"READY " in log.read_bytes()


def copies(found: Sequence[Process]) -> dict[str, list[Process]]:
    """The QEMU processes of each guest: the truth, whatever libvirt says."""
    result: dict[str, list[Process]] = {}
    for process in found:
        if process.guest:
            result.setdefault(process.guest, []).append(process)
    return result


def disks_of(lab: str, owner: str, guest: str) -> dict[str, str]:
    """The path of each of its disks where it is now, by target."""
    rows = (line.split(None, 1) for line in host.virsh(lab, owner, ["domblklist", guest]).splitlines())
    return {row[0]: row[1].strip() for row in rows if len(row) == 2}


def disk_of(lab: str, owner: str, guest: str) -> str:
    """The path of its first disk where it is now."""
    path = disks_of(lab, owner, guest).get("vda")
    if path is None:
        raise LabError(f"{guest} on {owner} has no disk vda")
    return path


def check_counter(places: Places, owner: str, guest: str) -> counter.Verdict:
    """Compare its serial log with its disk at this host."""
    serial = places.serial(guest).read_bytes()
    return counter.judge(serial, read_ring(places.name, owner, disk_of(places.name, owner, guest)))


def read_ring(lab: str, owner: str, disk: str) -> bytes:
    """The first sectors of a disk that may be in use."""
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / "ring"
        amount = [f"bs={counter.SECTOR}", f"count={counter.RING}"]
        dd = ["qemu-img", "dd", "-U", "-f", "qcow2", "-O", "raw", *amount, f"if={disk}", f"of={raw}"]
        processes.run(holders.entered(lab, owner, dd))
        return raw.read_bytes()


def ask(address: str, words: str, timeout_s: float = 2) -> str:
    """Say something to a guest's program; LabError if it does not answer."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.settimeout(timeout_s / 4)
        for _ in range(4):
            try:
                line.sendto(words.encode(), (address, CONTROL_PORT))
                return line.recv(200).decode().strip()
            except OSError:
                continue
    raise LabError(f"the guest at {address} does not answer")


def check_memory(address: str, pages: int, timeout_s: float = 60) -> int:
    """Pages of which the guest lost a write, told once it has looked at all of them again; it must be writing."""
    begun = state(address)["dirtied_pages"]
    processes.wait_until(
        lambda: state(address)["dirtied_pages"] >= begun + pages, timeout_s, f"the guest at {address} does not write"
    )
    return state(address)["stale_pages"]


def state(address: str) -> dict[str, int]:
    """What a guest's program says of itself, by the names in lab/guest_init.c."""
    return {name: int(value) for name, value in (word.split("=") for word in ask(address, "state").split())}


class PauseMeter:
    """How long a guest that ticks or counts fell silent, seen from outside: its own clock stands still in a pause."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self.arrivals: list[float] = []
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)

    def __enter__(self) -> PauseMeter:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self.thread.join()

    def watch(self) -> None:
        """Note when the log grows, to about 2 ms."""
        size = self.log.stat().st_size
        while not self.ended.is_set():
            if (now := self.log.stat().st_size) != size:
                size = now
                self.arrivals.append(time.monotonic())
            time.sleep(0.002)

    @property
    def longest_ms(self) -> float:
        """The longest silence so far."""
        return counter.pauses(self.arrivals) * 1000
