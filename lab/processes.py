"""Boundary. Run commands, and find every process that belongs to a lab.

Nothing is believed because it was recorded: each mount namespace of a lab carries a small tmpfs whose source is its
mark, `drover-lab:NAME:HOST`, and whatever runs in such a namespace belongs to that host. A run that was killed half-way
leaves marks, so the next one finds everything it left, and a recycled process id is never mistaken for ours.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

MARK = "drover-lab"
FABRIC = "fabric"
T = TypeVar("T")


class LabError(RuntimeError):
    """The lab could not do what was asked; the text says what and where."""


@dataclass(frozen=True)
class Process:
    """A running process of a lab; `started` (clock ticks since boot) tells it from a later one with the same pid."""

    pid: int
    owner: str
    argv: tuple[str, ...]
    started: int

    @property
    def program(self) -> str:
        """The file name of what it runs."""
        return Path(self.argv[0]).name if self.argv else ""

    @property
    def guest(self) -> str | None:
        """The guest a QEMU process runs, from libvirt's `-name guest=NAME,...`."""
        if not self.program.startswith("qemu-system"):
            return None
        for flag, value in zip(self.argv, self.argv[1:], strict=False):
            if flag == "-name" and value.startswith("guest="):
                return value.removeprefix("guest=").split(",")[0]
        return None


def run(argv: Sequence[str], text: str | None = None, check: bool = True, timeout_s: float = 120) -> str:
    """What the command wrote to stdout; LabError with its stderr if it fails and `check` is on."""
    try:
        done = subprocess.run(
            list(argv),
            input=text,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_s,
            env=clean_environment(),
        )
    except subprocess.TimeoutExpired as late:
        raise LabError(f"{' '.join(argv)}: no answer in {timeout_s:.0f} s") from late
    if check and done.returncode:
        raise LabError(f"{' '.join(argv)}: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def spawn(argv: Sequence[str], log: Path) -> None:
    """Start something that outlives us and is not our child."""
    with log.open("ab") as sink:
        subprocess.run(
            ["setsid", "--fork", *argv],
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            check=True,
            env=clean_environment(),
        )


def clean_environment() -> dict[str, str]:
    """Nothing of the caller's virtual environment, libvirt settings or locale reaches the lab."""
    return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LC_ALL": "C", "TERM": "dumb"}


def mark(lab: str, owner: str) -> str:
    """The mark of a namespace: `owner` is a host or the fabric."""
    return f"{MARK}:{lab}:{owner}"


def lab_processes(lab: str) -> list[Process]:
    """All processes of a lab, by pid."""
    prefix = mark(lab, "")
    owners: dict[str, str | None] = {}
    found = []
    for entry in os.scandir("/proc"):
        if entry.name.isdigit() and (process := inspect(int(entry.name), prefix, owners)):
            found.append(process)
    return sorted(found, key=lambda process: process.pid)


def inspect(pid: int, prefix: str, owners: dict[str, str | None]) -> Process | None:
    """The process if it is the lab's; `owners` remembers each mount namespace already read."""
    try:
        argv = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").rstrip("\0").split("\0")
        namespace = os.readlink(f"/proc/{pid}/ns/mnt")
        if namespace not in owners:
            owners[namespace] = marked_owner(Path(f"/proc/{pid}/mountinfo").read_text(), prefix)
        owner = owners[namespace] or owner_in_argv(argv, prefix)
        if owner is None:
            return None
        return Process(pid, owner, tuple(argv), start_time(pid))
    except (OSError, ValueError):  # it ended while we looked
        return None


def marked_owner(mountinfo: str, prefix: str) -> str | None:
    """The owner named by a mark in this mount table."""
    at = mountinfo.find(f" {prefix}")
    return mountinfo[at + 1 + len(prefix) :].split(None, 1)[0] if at >= 0 else None


def owner_in_argv(argv: Sequence[str], prefix: str) -> str | None:
    """A holder that has not mounted its mark yet has it as its last argument."""
    holds = Path(argv[0]).name in ("unshare", "sh") and argv[-1].startswith(prefix)
    return argv[-1].removeprefix(prefix) if holds else None


def start_time(pid: int) -> int:
    """Clock ticks after boot at which the process started; ValueError for one that is only a zombie."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    if fields[0] in "ZX":
        raise ValueError("it has ended")
    return int(fields[19])


def send(processes: Iterable[Process], number: int) -> None:
    """Signal exactly these processes, not a later one that got the same pid."""
    for process in processes:
        try:
            handle = os.pidfd_open(process.pid)
        except ProcessLookupError:
            continue
        try:
            if start_time(process.pid) == process.started:
                signal.pidfd_send_signal(handle, number)
        except (OSError, ValueError):
            pass
        finally:
            os.close(handle)


def end_all(find: Callable[[], list[Process]], timeout_s: float = 15) -> None:
    """Kill what `find` finds until it finds nothing; a fork in between is found the next time round."""
    killed: set[int] = set()

    def nothing_left() -> bool:
        left = find()
        send(left, signal.SIGKILL)
        killed.update(process.pid for process in left)
        return not left

    wait_until(nothing_left, timeout_s, "processes do not end")
    with contextlib.suppress(LabError):  # only the machine's init can take them away
        wait_until(lambda: not any(map(is_zombie, killed)), 5, "zombies")


def is_zombie(pid: int) -> bool:
    """Ended, but not yet taken note of by its parent; a namespace lives until then."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return False


def wait_until(condition: Callable[[], T], timeout_s: float, complaint: str) -> T:
    """The first true value of the condition; LabError after the timeout."""
    deadline = time.monotonic() + timeout_s
    pause_s = 0.005
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise LabError(f"{complaint} (waited {timeout_s:.0f} s)")
        time.sleep(pause_s)
        pause_s = min(pause_s * 1.5, 0.1)
    return value
