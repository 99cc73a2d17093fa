"""One move of one guest, by Drover or by bare virsh, with what it took."""

from __future__ import annotations

import re
import subprocess
import time
from dataclasses import dataclass
from typing import Any

from bench.program import Ear, Program, ended, epoch_s
from bench.scene import Scene
from lab import Lab, holders
from lab.plan import TLS_PORT

#: The flags and the downtime limit Drover uses by default (fleet/hypervisor/migrate.py, migrations_app/options.py).
FLAGS = ("--live", "--p2p", "--persistent", "--undefinesource", "--abort-on-error", "--auto-converge")
MAX_DOWNTIME_MS = 300
MOVED_S = 180
UNITS = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}


@dataclass(frozen=True, kw_only=True)
class Move:
    """Milliseconds; those of Drover's own moments are None for virsh."""

    total_ms: float
    downtime_ms: float
    downtime_net_ms: float
    libvirt_ms: float
    #: What libvirt counted of the memory's bytes.
    sent_bytes: float = float("nan")
    accepted_ms: float | None = None
    taken_ms: float | None = None
    call_entered_ms: float | None = None
    #: From libvirt's call returned until the row was terminal, and until the socket's message was here.
    settled_ms: float | None = None
    told_ms: float | None = None


def by_drover(drover: Scene, program: Program, ear: Ear, guest: str, destination: str, **wish: Any) -> Move:
    """POST, then wait for the message that tells the end."""
    document = {"guest": drover.guest(guest)["id"], "destination": drover.host(destination)["id"], **wish}
    program.warm()
    began = time.time()
    status, job = program.ask("POST", "migrations/", document)
    accepted = time.time()
    if status != 202:
        raise RuntimeError(f"{guest} to {destination}: {status} {job}")
    told, message = ear.wait(ended(job["id"]), MOVED_S)
    end = message["document"]
    if end["state"] != "succeeded":
        raise RuntimeError(f"{guest} to {destination}: {end['error']}")
    receipt = end["result"]
    moments = {
        name: epoch_s(end["created_at"]) + value / 1000 for name, value in receipt["timings_ms"].items() if value
    }
    returned = moments["call_returned"]
    return Move(
        total_ms=1000 * (told - began),
        downtime_ms=receipt["downtime_ms"],
        downtime_net_ms=receipt["downtime_net_ms"],
        libvirt_ms=receipt["libvirt_ms"],
        accepted_ms=1000 * (accepted - began),
        taken_ms=1000 * (moments["taken"] - began),
        call_entered_ms=1000 * (moments["call_entered"] - began),
        settled_ms=1000 * (epoch_s(end["finished_at"]) - returned),
        told_ms=1000 * (told - returned),
    )


def by_virsh(lab: Lab, guest: str, source: str, destination: str, *, inside: bool, more: tuple[str, ...] = ()) -> Move:
    """Bare virsh, from inside the source host or, as Drover does, over TLS from the manager."""
    address = f"qemu+tls://{lab.hosts[destination].address}:{TLS_PORT}/system"
    data = f"tcp://{lab.hosts[destination].address}"
    lab.virsh(source, "migrate-setmaxdowntime", guest, str(MAX_DOWNTIME_MS))
    argv = ["virsh", "--quiet", "--connect", _connection(lab, source, inside=inside)]
    argv += ["migrate", *FLAGS, *more, guest, address, "--migrateuri", data]
    # The entering itself is a lab's matter: looked up before the clock runs.
    argv = holders.entered(lab.name, source, argv) if inside else argv
    began = time.monotonic()
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    total_s = time.monotonic() - began
    if done.returncode:
        raise RuntimeError(f"virsh: {guest} to {destination}: {done.stderr.strip()}")
    numbers = lab.virsh(destination, "domjobinfo", guest, "--completed")
    return Move(
        total_ms=1000 * total_s,
        downtime_ms=_number(numbers, "Total downtime"),
        downtime_net_ms=_number(numbers, "Downtime w/o network"),
        libvirt_ms=_number(numbers, "Time elapsed"),
        sent_bytes=_size_bytes(numbers, "Memory processed"),
    )


def _connection(lab: Lab, source: str, *, inside: bool) -> str:
    if inside:
        return "qemu:///system"
    return f"qemu+tls://{lab.hosts[source].address}:{TLS_PORT}/system?pkipath={lab.pki_dir}"


def _number(text: str, name: str) -> float:
    found = re.search(rf"^{name}:\s+([\d.]+)", text, re.MULTILINE)
    return float(found[1]) if found else float("nan")


def _size_bytes(text: str, name: str) -> float:
    found = re.search(rf"^{name}:\s+([\d.]+) (\w+)", text, re.MULTILINE)
    return float(found[1]) * UNITS[found[2]] if found else float("nan")
