"""Migrations by Drover against bare virsh: the same guest back and forth, in interleaved pairs."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bench.moves import Move, by_drover, by_virsh
from bench.numbers import Report, median, percentile
from bench.program import Ear, Program, listening
from bench.scene import Scene, scene
from tests.with_lab.installation import until

GUESTS = ("web1:idle:alpha:shared:96", "db1:counter:alpha:shared:96", "db2:counter:alpha:local:96")
#: Disks are copied in few pairs: each takes many times as long.
COPIED_PAIRS = 8
#: After each move, so that what it set off (inventories, libvirtd's own cleaning) does not burden the next one.
REST_S = 1.0
#: Order of the three within two pairs, so that each goes both ways and none always follows the same one.
ORDER = ("drover", "inside", "manager", "manager", "inside", "drover")


@dataclass
class Duel:
    """One guest moved again and again by each of the three."""

    drover: Scene
    program: Program
    ear: Ear
    guest: str
    flags: tuple[str, ...] = ("--unsafe",)
    after: Callable[[str, str], None] = lambda source, destination: None
    moves: dict[str, list[Move]] = field(default_factory=lambda: {name: [] for name in ("drover", "inside", "manager")})

    def fight(self, pairs: int) -> None:
        """Each of the three moves it `pairs` times; one more of each before that does not count."""
        for who in ORDER[:3]:
            self._move(who)
        for _ in range((pairs + 1) // 2):
            for who in ORDER:
                self.moves[who].append(self._move(who))

    def _move(self, who: str) -> Move:
        source, destination = self._way()
        time.sleep(REST_S)
        if who == "drover":
            move = by_drover(self.drover, self.program, self.ear, self.guest, destination)
        else:
            inside = who == "inside"
            move = by_virsh(self.drover.lab, self.guest, source, destination, inside=inside, more=self.flags)
        self.after(source, destination)
        # Drover's rows follow by themselves; its next move begins from what they say.
        until(lambda: self.drover.where(self.guest) == destination, 30, "the row follows")
        until(lambda: self.drover.guest(self.guest)["state"] == "running", 30, "the row says running")
        return move

    def _way(self) -> tuple[str, str]:
        source = self.drover.lab.whereabouts(self.guest)
        return source, "beta" if source == "alpha" else "alpha"


def run(report: Report, options: argparse.Namespace) -> None:
    """Idle, counting, and with its disk copied."""
    with scene("move", hosts=2, guests=GUESTS) as drover, listening(drover, "jobs") as ear:
        program = Program(drover)
        _first_post(report, drover, program, ear)
        every: list[Move] = []
        for guest, word in (("web1", "idle"), ("db1", "counter")):
            duel = Duel(drover, program, ear, guest)
            duel.fight(options.pairs)
            _tell(report, f"migration.{word}", duel.moves)
            every += duel.moves["drover"]
        _tell_own_share(report, every)
        copied = Duel(drover, program, ear, "db2", flags=("--copy-storage-all",))
        copied.after = _remove_disk(drover)
        copied.fight(min(options.pairs, COPIED_PAIRS))
        _tell(report, "migration.copied", copied.moves)
        for guest in ("db1", "db2"):
            verdict = drover.lab.check_counter(guest)
            if not verdict.ok:
                raise RuntimeError(f"{guest}: {verdict}")
        report.note("no write of the counting guests was lost")


def _first_post(report: Report, drover: Scene, program: Program, ear: Ear) -> None:
    """What the first asker after a start sees: nothing is imported or connected yet but what the start does."""
    move = by_drover(drover, program, ear, "web1", "beta")
    until(lambda: drover.where("web1") == "beta", 30, "the row follows")
    report.line("migration.first_post_to_202_ms", move.accepted_ms or 0)
    report.line("migration.first_post_to_call_entered_ms", move.call_entered_ms or 0)


def _tell(report: Report, name: str, moves: dict[str, list[Move]]) -> None:
    ours = [move.total_ms for move in moves["drover"]]
    for who, move in moves.items():
        report.spread(f"{name}.{who}_ms", [one.total_ms for one in move])
    for other, word in (("inside", "virsh_on_source"), ("manager", "virsh_from_manager")):
        theirs = [move.total_ms for move in moves[other]]
        ratios = [one / two for one, two in zip(ours, theirs, strict=True)]
        report.line(f"{name}.ratio_of_medians.{word}", median(ours) / median(theirs), 1.05)
        report.line(f"{name}.median_of_ratios.{word}", median(ratios), 1.05)
        report.line(f"{name}.95_percent_by_95_percent.{word}", percentile(ours, 95) / percentile(theirs, 95), 1.15)
        report.line(f"{name}.95_percent_of_ratios.{word}", percentile(ratios, 95))
    virsh = [*moves["inside"], *moves["manager"]]
    _tell_downtime(report, f"{name}.downtime", moves["drover"], virsh, lambda move: move.downtime_ms)
    _tell_downtime(report, f"{name}.downtime_net", moves["drover"], virsh, lambda move: move.downtime_net_ms)


def _tell_downtime(
    report: Report, name: str, ours: Sequence[Move], theirs: Sequence[Move], of: Callable[[Move], float]
) -> None:
    mine, other = median([of(move) for move in ours]), median([of(move) for move in theirs])
    report.line(f"{name}_ms.drover", mine)
    report.line(f"{name}_ms.virsh", other)
    report.line(f"{name}_ms.longer_by", mine - other, 2)


def _tell_own_share(report: Report, moves: Sequence[Move]) -> None:
    report.spread("migration.post_to_202_ms", [move.accepted_ms or 0 for move in moves], 50)
    report.spread("migration.post_to_worker_ms", [move.taken_ms or 0 for move in moves])
    report.spread("migration.post_to_call_entered_ms", [move.call_entered_ms or 0 for move in moves], 150)
    report.spread("migration.call_returned_to_row_terminal_ms", [move.settled_ms or 0 for move in moves])
    report.spread("migration.call_returned_to_message_ms", [move.told_ms or 0 for move in moves], 200)


def _remove_disk(drover: Scene) -> Callable[[str, str], None]:
    """Both leave the source's disk, where it would be in the way of the next copy."""

    def remove(source: str, destination: str) -> None:
        drover.lab.exec(source, "sh", "-c", "rm -f /srv/local/db2*.qcow2")
        drover.lab.virsh(source, "pool-refresh", "local")

    return remove
