"""How fast disks are copied from host to host, against bare virsh, and what thin handling saves on an empty disk."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

from bench.moves import by_drover, by_virsh
from bench.numbers import Report, median
from bench.program import Ear, Program, listening
from bench.scene import Scene, scene
from tests.with_lab.installation import until

DISK_MIB = 1024
#: Nine tenths of one disk hold nothing; the other is as good as full.
DATA_MIB = {"thin1": DISK_MIB // 10, "full1": DISK_MIB - 24}
GUESTS = tuple(f"{name}:idle:alpha:local:96:disk_mib={DISK_MIB},data_mib={data}" for name, data in DATA_MIB.items())
#: Room for both guests' disks, once here and once there.
LOCAL_MIB = 4096
MOST_PAIRS = 5
#: One move of each that does not count, then back and forth.
ORDER = ("drover", "virsh", "virsh", "drover")
REST_S = 1.0


def run(report: Report, options: argparse.Namespace) -> None:
    """Interleaved pairs of a full disk and of a thin one; ratios are of the same run."""
    with scene("copy", hosts=2, guests=GUESTS, local_mib=LOCAL_MIB) as drover, listening(drover, "jobs") as ear:
        race = Race(drover, Program(drover), ear)
        pairs = min(options.pairs, MOST_PAIRS)
        full, thin = race.run("full1", pairs), race.run("thin1", pairs)
        for guest, took in (("full1", full), ("thin1", thin)):
            for who, seconds in took.items():
                report.spread(f"copying.{guest}.{who}_s", seconds)
        speed = median(full["virsh"]) / median(full["drover"])
        report.line("copying.speed_by_speed_of_virsh", speed, 0.9, least=True)
        # What is carried for the same disk when its holes are not told from data.
        whole = median(full["drover"]) / median(thin["drover"])
        report.line("copying.thin_faster_than_the_whole_disk", whole, 3, least=True)
        report.line("copying.thin_faster_than_virsh", median(thin["virsh"]) / median(thin["drover"]))
        for who, size_mib in race.taken_mib.items():
            report.line(f"copying.thin1.taken_at_the_destination_by_{who}_mib", size_mib)


class Race:
    """Two guests, each moved in turn by Drover and by bare virsh, where libvirt makes the destination's file itself."""

    def __init__(self, drover: Scene, program: Program, ear: Ear) -> None:
        self.drover, self.lab, self.program, self.ear = drover, drover.lab, program, ear
        #: What the last copy of the thin disk takes, by who made it.
        self.taken_mib: dict[str, float] = {}
        self.ways: dict[str, Callable[[str, str, str], float]] = {"drover": self._drover, "virsh": self._virsh}

    def run(self, guest: str, pairs: int) -> dict[str, list[float]]:
        """Seconds of each move, by who made it."""
        took: dict[str, list[float]] = {who: [] for who in self.ways}
        for who in ORDER[:2]:
            self._move(who, guest)
        for who in ORDER * ((pairs + 1) // 2):
            took[who].append(self._move(who, guest))
        return took

    def _move(self, who: str, guest: str) -> float:
        source = self.lab.whereabouts(guest)
        destination = "beta" if source == "alpha" else "alpha"
        time.sleep(REST_S)
        seconds = self.ways[who](guest, source, destination)
        if guest == "thin1":
            self.taken_mib[who] = self._taken_mib(destination, guest)
        # Both leave the source's disk, where it would be in the way of the next copy.
        self.lab.exec(source, "sh", "-c", f"rm -f /srv/local/{guest}*.qcow2")
        self.lab.virsh(source, "pool-refresh", "local")
        until(lambda: self.drover.where(guest) == destination, 30, "the row follows")
        until(lambda: self.drover.guest(guest)["state"] == "running", 30, "the row says running")
        return seconds

    def _drover(self, guest: str, source: str, destination: str) -> float:
        return by_drover(self.drover, self.program, self.ear, guest, destination).total_ms / 1000

    def _virsh(self, guest: str, source: str, destination: str) -> float:
        return by_virsh(self.lab, guest, source, destination, inside=True, more=("--copy-storage-all",)).total_ms / 1000

    def _taken_mib(self, host: str, guest: str) -> float:
        return int(self.lab.exec(host, "sh", "-c", f"du -k /srv/local/{guest}*.qcow2 | cut -f1").split()[0]) / 1024
