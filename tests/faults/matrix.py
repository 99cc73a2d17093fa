"""The fault matrix as far as it concerns moving guests: which fault, at which point of a move, and how it must end.

An end is `STATE@HOST`, where the host is where the job says that the guest is; `failed@` runs nowhere, with the reason.
Where two ends stand, both are right, and which one it was stands in docs/faults.md; that the hosts, the disks, the rows
and the logs bear it out is checked for every row alike (truth.py).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from tests.faults import hosts, people, programs
from tests.faults import stages as at
from tests.faults.fault import Fault
from tests.faults.stages import Point

#: Slow enough that a fault has time to come; the limit is lifted when it is over.
CRAWL = {"options": {"bandwidth_mib_s": 2}}
CRAWL_AND_REMOVE = {"options": {"bandwidth_mib_s": 2, "keep_source": False}}
MAY_POST_COPY = {"options": {"bandwidth_mib_s": 2, "post_copy": True, "auto_converge": False}}
SUSPENDED = {"mode": "offline", **CRAWL}
SHUT_OFF = {"mode": "cold", **CRAWL}
#: The worker's own limit cannot be lifted meanwhile.
THROUGH_WORKER = {"mode": "offline", "options": {"route": "relay", "bandwidth_mib_s": 8}}
OTHER_POOL = {"mode": "storage", "options": {"target_pool": "shared", "bandwidth_mib_s": 2}}

ARRIVED = ("succeeded@beta",)
STAYED = ("failed@alpha",)
EITHER = (*ARRIVED, *STAYED)
CANCELLED = ("cancelled@alpha",)
TOO_LATE = (*CANCELLED, *ARRIVED)
OFF = ("failed@alpha",)
MENDED = ("post_copy.broken", "post_copy.mended")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the matrix. `number` is that of the list of known faults; db1's disk is shared, db2's is copied."""

    number: int
    point: Point
    fault: Fault
    ends: tuple[str, ...]
    guest: str = "db1"
    wish: dict[str, Any] = field(default_factory=lambda: CRAWL)
    #: Lines that the job's log must have.
    says: tuple[str, ...] = ()
    database: str = "sqlite"
    #: Job ended and row true, counted from when everything is back; more where a long copy goes on by itself then.
    within_s: int = 30

    @property
    def name(self) -> str:
        """Unique, and readable as a test's name."""
        way = self.wish.get("mode", "live")
        words = f"{way} {self.point.stage}, {self.point.words}: {self.fault.words}"
        return re.sub(r"[^a-z0-9]+", "-", f"{self.number} {words} {self.guest}".lower()).strip("-")


def rows(number: int, fault: Fault, ends: dict[Point, tuple[str, ...]], **more: Any) -> list[Row]:
    """The same fault at several points."""
    return [Row(number=number, point=point, fault=fault, ends=end, **more) for point, end in ends.items()]


WORKER_DIES = [
    *rows(2, programs.WORKER, {at.CHECK: ARRIVED, at.ARRIVING: EITHER, at.MEMORY: ARRIVED}),
    *rows(2, programs.WORKER, {at.BEFORE_FINISH: ARRIVED, at.BEFORE_CONFIRM: ARRIVED}),
    *rows(2, programs.WORKER, {at.VOLUMES: ARRIVED, at.DISKS: ARRIVED}, guest="db2"),
    *rows(2, programs.WORKER, {at.CLEAN_UP: ARRIVED, at.CLEANED: ARRIVED}, guest="db2", wish=CRAWL_AND_REMOVE),
    *rows(2, programs.ONE_OF_TWO, {at.MEMORY: ARRIVED}, says=("adopted",)),
    *rows(2, programs.FROZEN_WORKER, {at.DISKS: ARRIVED, at.VOLUMES: EITHER}, guest="db2"),
    *rows(32, programs.WORKER, {at.INTENT: EITHER}, guest="db2"),
    *rows(33, programs.WORKER, {at.SUCCESS: ARRIVED}, guest="db2"),
]
LIBVIRTD_DIES = [
    *rows(4, hosts.KILL_SOURCE, {at.MEMORY: STAYED, at.BEFORE_FINISH: EITHER, at.BEFORE_CONFIRM: ARRIVED}),
    *rows(4, hosts.KILL_SOURCE, {at.DISKS: STAYED}, guest="db2"),
    *rows(6, hosts.END_SOURCE, {at.MEMORY: EITHER}),
    *rows(7, hosts.KILL_DESTINATION, {at.ARRIVING: STAYED, at.MEMORY: STAYED, at.BEFORE_FINISH: EITHER}),
    *rows(7, hosts.KILL_DESTINATION, {at.DISKS: STAYED}, guest="db2"),
    *rows(7, hosts.KILL_DESTINATION_AT_POINT, {at.VOLUMES: STAYED}, guest="db2"),
    *rows(7, hosts.END_DESTINATION, {at.MEMORY: EITHER}),
    *rows(9, hosts.HANG_DESTINATION, {at.MEMORY: EITHER}),
    *rows(10, hosts.HANG_SOURCE, {at.MEMORY: EITHER}),
]
GUESTS_AND_HOSTS_DIE = [
    *rows(11, hosts.QEMU_DESTINATION, {at.MEMORY: STAYED}),
    *rows(11, hosts.QEMU_DESTINATION, {at.DISKS: STAYED}, guest="db2"),
    *rows(12, hosts.QEMU_SOURCE, {at.MEMORY: OFF}),
    *rows(13, hosts.POWER_DESTINATION, {at.MEMORY: STAYED}),
    *rows(14, hosts.POWER_SOURCE, {at.MEMORY: OFF}),
    *rows(40, hosts.POWER_DESTINATION, {at.DISKS: STAYED}, guest="db2"),
]
NETWORK = [
    *rows(15, hosts.CUT_SHORT, {at.MEMORY: ARRIVED}),
    *rows(15, hosts.CUT_LONG, {at.MEMORY: STAYED}),
    # libvirt notices, but its QEMU waits for the disks' connection as long as the link is away.
    *rows(15, hosts.CUT_45_S, {at.DISKS: STAYED}, guest="db2"),
    *rows(17, hosts.CUT_SOURCE, {at.MEMORY: ARRIVED}),
    *rows(18, hosts.CUT_DESTINATION, {at.MEMORY: ARRIVED}),
    *rows(18, hosts.CUT_BOTH, {at.MEMORY: ARRIVED}),
    *rows(19, hosts.CUT_AT_POINT, {at.ARRIVING: STAYED}),
    *rows(20, hosts.CUT_AT_POINT, {at.BEFORE_FINISH: EITHER}),
    *rows(23, hosts.LOSS, {at.MEMORY: ARRIVED}),
]
STORAGE = [
    *rows(26, hosts.FULL, {at.DISKS: STAYED}, guest="db2"),
    *rows(26, hosts.FULL_AT_POINT, {at.CHECK: STAYED}, guest="db2"),
    *rows(28, hosts.NO_POOL, {at.CHECK: STAYED}, guest="db2"),
    *rows(28, hosts.NO_POOL, {at.VOLUMES: EITHER}, guest="db2"),
]
PEOPLE = [
    *rows(29, people.TWO_OPERATORS, {at.NONE: ARRIVED}),
    *rows(30, people.VIRSH_DESTROYS, {at.MEMORY: OFF}),
    *rows(30, people.VIRSH_REMOVES, {at.CHECK: ("failed@",)}),
    *rows(30, people.VIRSH_UNDEFINES, {at.CHECK: EITHER}),
    *rows(30, people.VIRSH_UNDEFINES_TOO, {at.MEMORY: EITHER}),
    *rows(30, people.VIRSH_SUSPENDS, {at.MEMORY: ARRIVED}),
    *rows(41, people.CANCEL, {at.QUEUED: CANCELLED, at.CHECK: CANCELLED, at.INTENT: CANCELLED, at.ARRIVING: CANCELLED}),
    *rows(41, people.CANCEL, {at.MEMORY: CANCELLED, at.BEFORE_FINISH: TOO_LATE, at.BEFORE_CONFIRM: ARRIVED}),
    *rows(41, people.CANCEL, {at.VOLUMES: CANCELLED, at.DISKS: CANCELLED, at.SUCCESS: ARRIVED}, guest="db2"),
    *rows(43, people.VIRSH_MOVES, {at.CHECK: ("failed@beta", "succeeded@beta")}),
    *rows(43, people.VIRSH_MOVES_TOO, {at.MEMORY: ARRIVED}),
    *rows(44, people.HOT_PLUG, {at.CHECK: STAYED, at.INTENT: STAYED}),
    *rows(47, people.WEB_WHILE_ASKED, {at.NONE: ARRIVED}),
]
PROGRAMS = [
    *rows(31, programs.TOLD_TWICE, {at.MEMORY: ARRIVED}),
    *rows(31, programs.TOLD_LATE, {at.MEMORY: ARRIVED}),
    *rows(34, programs.REDIS, {at.QUEUED_WITHOUT_WORKER: ARRIVED, at.MEMORY: ARRIVED}),
    *rows(34, programs.FLUSHALL, {at.QUEUED_WITHOUT_WORKER: ARRIVED, at.MEMORY: ARRIVED}),
    *rows(34, programs.REDIS_PAUSE, {at.MEMORY: ARRIVED}),
    *rows(35, programs.SQLITE_LOCKED, {at.MEMORY: ARRIVED}),
    *rows(37, programs.SECOND_CLOCK, {at.MEMORY: ARRIVED}),
    *rows(47, programs.WEB, {at.MEMORY: ARRIVED}),
    *rows(47, programs.WATCHER, {at.MEMORY: ARRIVED}),
]
POSTGRES = [
    *rows(35, programs.POSTGRES_RESTART, {at.MEMORY: ARRIVED, at.SUCCESS: ARRIVED}, database="postgres"),
    *rows(35, programs.POSTGRES_CRASH, {at.DISKS: ARRIVED}, database="postgres", guest="db2"),
    *rows(36, programs.POSTGRES_DOWN, {at.MEMORY: ARRIVED}, database="postgres"),
    *rows(38, programs.AHEAD, {at.MEMORY: ARRIVED}, database="postgres"),
    *rows(38, programs.BEHIND, {at.MEMORY: ARRIVED}, database="postgres"),
    *rows(38, programs.AHEAD_ONLY, {at.MEMORY: ARRIVED}, database="postgres"),
]
POST_COPY = [
    *rows(2, programs.WORKER, {at.POST_COPY: ARRIVED}, wish=MAY_POST_COPY),
    *rows(22, people.CANCEL_IN_VAIN, {at.POST_COPY: ARRIVED}, wish=MAY_POST_COPY),
    *rows(21, hosts.CUT_POST_COPY, {at.POST_COPY: ARRIVED}, wish=MAY_POST_COPY),
    # The kernel sends again within as long as the link was away.
    *rows(21, hosts.CUT_45_S, {at.POST_COPY: ARRIVED}, wish=MAY_POST_COPY, within_s=90),
    *rows(21, hosts.RESET_STREAM, {at.POST_COPY: ARRIVED}, wish=MAY_POST_COPY, says=MENDED),
    *rows(21, hosts.CUT_IN_SWITCH, {at.BEFORE_POST_COPY: STAYED}, wish=MAY_POST_COPY, says=("stranded",)),
    *rows(7, hosts.KILL_DESTINATION_IN_SWITCH, {at.POST_COPY_BEGINS: STAYED}, wish=MAY_POST_COPY),
]
OFFLINE = [
    *rows(2, programs.WORKER, {at.MEMORY: ARRIVED}, wish=SUSPENDED),
    *rows(7, hosts.KILL_DESTINATION, {at.MEMORY: STAYED}, wish=SUSPENDED),
    *rows(15, hosts.CUT_LONG, {at.MEMORY: STAYED}, wish=SUSPENDED),
    *rows(41, people.CANCEL, {at.MEMORY: CANCELLED}, wish=SUSPENDED),
]
COLD = [
    *rows(2, programs.WORKER, {at.DISKS: ARRIVED, at.INTENT: EITHER}, guest="off1", wish=SHUT_OFF),
    *rows(4, hosts.KILL_SOURCE, {at.DISKS: EITHER}, guest="off1", wish=SHUT_OFF),
    *rows(7, hosts.KILL_DESTINATION, {at.DISKS: STAYED}, guest="off1", wish=SHUT_OFF),
    *rows(41, people.CANCEL, {at.DISKS: CANCELLED}, guest="off1", wish=SHUT_OFF),
]
#: The rest of the copy goes on by itself once everything is back, and takes its time.
THROUGH: dict[str, Any] = {"guest": "db2", "wish": THROUGH_WORKER, "within_s": 90}
RELAY = [
    *rows(
        2,
        programs.WORKER,
        {at.RELAY_SAVE: ARRIVED, at.RELAY_DISKS: ARRIVED},
        guest="db2",
        wish=THROUGH_WORKER,
        within_s=90,
    ),
    *rows(
        2,
        programs.WORKER,
        {at.RELAY_HAND_OVER: ARRIVED, at.RELAY_RESTORE: ARRIVED},
        guest="db2",
        wish=THROUGH_WORKER,
        within_s=90,
    ),
    *rows(2, programs.WORKER, {at.RELAY_FINISH: ARRIVED}, **THROUGH),
    *rows(4, hosts.KILL_SOURCE, {at.RELAY_DISKS: EITHER}, **THROUGH),
    *rows(7, hosts.KILL_DESTINATION, {at.RELAY_DISKS: EITHER}, **THROUGH),
    *rows(13, hosts.POWER_DESTINATION, {at.RELAY_DISKS: EITHER}, **THROUGH),
    *rows(18, hosts.CUT_DESTINATION, {at.RELAY_DISKS: EITHER}, **THROUGH),
    *rows(
        41,
        people.CANCEL,
        {at.RELAY_DISKS: CANCELLED, at.RELAY_RESTORE: ARRIVED},
        guest="db2",
        wish=THROUGH_WORKER,
        within_s=90,
    ),
]
STORAGE_ONLY = [
    *rows(2, programs.WORKER, {at.DISKS: ("succeeded@alpha",)}, guest="db2", wish=OTHER_POOL),
    *rows(4, hosts.KILL_SOURCE, {at.DISKS: ("succeeded@alpha", "failed@alpha")}, guest="db2", wish=OTHER_POOL),
    *rows(12, hosts.QEMU_SOURCE, {at.DISKS: OFF}, guest="db2", wish=OTHER_POOL),
    *rows(41, people.CANCEL, {at.DISKS: CANCELLED}, guest="db2", wish=OTHER_POOL),
]

#: In this order, so that Drover changes its database once.
ROWS = [
    *WORKER_DIES,
    *LIBVIRTD_DIES,
    *GUESTS_AND_HOSTS_DIE,
    *NETWORK,
    *STORAGE,
    *PEOPLE,
    *PROGRAMS,
    *POST_COPY,
    *OFFLINE,
    *COLD,
    *RELAY,
    *STORAGE_ONLY,
    *POSTGRES,
]


def quick(rows: list[Row]) -> set[str]:
    """The rows of every run: the first of each kind of fault, and the first of each stage of each way to move.

    The others are variants of these, for `make test ARGS=faults-long`.
    """
    chosen: dict[tuple[object, ...], str] = {}
    for row in rows:
        chosen.setdefault((row.number,), row.name)
        chosen.setdefault((row.wish.get("mode", "live"), row.point.stage), row.name)
    return set(chosen.values())
