"""What a watcher remembers of one host between rounds; the rows are the truth, this is for not reading them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from fleet.hypervisor.facts import GuestGlimpse, HostAddress, HostLoad
from fleet.inventory.contact import Contact
from fleet.inventory.gauging import Gauged
from fleet.inventory.samples import Told

#: Libvirt UUID to name, state, reason, persistent.
Picture = dict[str, tuple[str, str, str, bool]]


def picture(glimpses: Sequence[GuestGlimpse]) -> Picture:
    """Glimpses in a form that compares quickly and in any order."""
    return {one.uuid: (one.name, one.state, one.reason, one.persistent) for one in glimpses}


@dataclass(slots=True, eq=False)
class Watched:
    """One host under watch. Errands of one kind run one at a time; whole values are put in, never changed in place."""

    host_id: UUID
    hardware_uuid: str
    address: HostAddress
    #: The row's version as last read, and how often we counted it up since: a difference means that others wrote.
    version: int
    contact: Contact
    #: Contact and text as the row has them.
    row_contact: tuple[str, str]
    counted: int = 0
    memory_mib: int = 0
    #: What the rows say of its guests; None: not known, compare with the rows.
    stored: Picture | None = None
    #: Guests that want describing, by libvirt UUID.
    wanted: set[str] = field(default_factory=set)
    #: The last sample; of guests with monotonic seconds.
    load: HostLoad | None = None
    guest_cpu: dict[str, tuple[float, int]] = field(default_factory=dict)
    #: What the rows were last told; CPUs' worth per guest.
    told_load: Told | None = None
    told_cpu: dict[str, float] = field(default_factory=dict)
    #: Guests with an unfinished job, as last read: their hosts measure nothing about them.
    busy: frozenset[str] = frozenset()
    #: When each guest's writing was measured last, and over how many seconds.
    gauged: dict[str, Gauged] = field(default_factory=dict)
    gauges_begun_at: float = 0.0
    unsubscribe: Callable[[], None] | None = None
    #: Monotonic seconds of the last answer.
    answered_at: float = 0.0
    #: Rounds done since it is ours; for `--once` and the bench.
    looks: int = 0
    inventories: int = 0
    failures: int = 0
    ended: bool = False
