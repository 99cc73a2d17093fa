"""Rounds: what a watcher asks each host, how often, and what it makes of the answers. No database in here."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterable
from uuid import UUID

from fleet.hypervisor import connect
from fleet.hypervisor.errors import HostUnreachable, HypervisorError
from fleet.hypervisor.facts import GuestEvent, GuestStatistics, HostAddress, PoolFacts
from fleet.hypervisor.interface import Hypervisor
from fleet.hypervisor.pools import FOLDERS
from fleet.inventory import gauging, samples
from fleet.inventory.contact import answered, failed, pause_s
from fleet.inventory.lanes import Lane
from fleet.inventory.ledger import Ledger
from fleet.inventory.watched import Watched, picture
from fleet.models import Host
from fleet.refusals import Refused
from fleet.states import GuestState

logger = logging.getLogger(__name__)

Ask = Callable[[Watched, Hypervisor], float | None]

#: Seconds between state rounds: with an event lost, a change still shows within 2 s. One bulk call, 0.5 ms for 30
#: guests.
LOOK_EVERY_S = 1.0
#: Seconds between samples of load: the balloon and block counters cost the host's QEMU monitors 1 to 2 ms per guest.
SAMPLE_EVERY_S = 12.0
#: Seconds between full inventories; what changes meanwhile comes by events. It also compares the rows with the host.
INVENTORY_EVERY_S = 300.0
#: First inventories begun in a second; a thousand hosts taken over are read within two minutes.
BEGIN_PER_S = 10
#: Seconds until the second inventory: by then the other hosts' markers lie in the shared pools.
SECOND_INVENTORY_S = 10.0
#: Seconds until hosts that share a pool look again for a new marker: many hosts added at once make one look.
SHARERS_LOOK_IN_S = 2.0
#: Part by which these are moved at random, so that a thousand hosts are not asked in one moment.
JITTER = 0.1
#: Guests of a host described one by one; more come with the inventory.
FEW = 8


class Rounds:
    """All errands to all hosts of one watcher. A host is first reached, then looked at, sampled and inventoried."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.quick = Lane("look", width=16, most=256)
        self.slow = Lane("slow", width=3, most=64)
        self.reaching = Lane("reach", width=16, most=64)
        self._lanes = (self.quick, self.slow, self.reaching)
        self._hosts: dict[UUID, Watched] = {}

    def begin(self, watched: Watched) -> None:
        """Look after this host from now on."""
        self._hosts[watched.host_id] = watched
        self._arm_reach(watched, 0.0)

    def end(self, watched: Watched) -> None:
        """Let it go."""
        watched.ended = True
        self._hosts.pop(watched.host_id, None)
        for lane in self._lanes:
            for errand in ("reach", "look", "describe", "sample", "inventory"):
                lane.disarm((watched.host_id, errand))
        _unsubscribe(watched)

    def staff(self) -> None:
        """Replace stuck threads; a few times a second."""
        for lane in self._lanes:
            lane.staff()

    def close(self) -> None:
        """Ask nothing more."""
        for lane in self._lanes:
            lane.close()

    def describe(self, watched: Watched, guests: Iterable[str]) -> None:
        """Fetch the full description of these guests soon; of many, with the host's inventory."""
        guests = set(guests)
        if len(guests) > FEW:
            self.slow.ring((watched.host_id, "inventory"))
            return
        watched.wanted |= guests
        self.quick.arm((watched.host_id, "describe"), self._costly(watched, self._describe))

    def confirm(self, guest_id: UUID, guest_uuid: str, hosts: dict[str, HostAddress]) -> None:
        """Ask all of these hosts again whether they run this guest, and sound the alarm if two do."""

        def ask() -> None:
            running = tuple(hosts)
            # Twice: a guest that switches over between two questions seems to run on both.
            for _ in range(2):
                running = tuple(name for name in running if _runs(hosts[name], guest_uuid))
            if len(running) > 1:
                self._ledger.runs_twice(guest_id, running)

        self.slow.arm((guest_id, "confirm"), ask)

    # -- errands ------------------------------------------------------------------------------------------------------

    def _vital(self, watched: Watched, ask: Ask) -> Callable[[], float | None]:
        """Ask, and take note of whether the host answered: this decides how it is called."""

        def run() -> float | None:
            if watched.ended:
                return None
            began = time.monotonic()
            try:
                again_in_s = ask(watched, connect.get(watched.address))
            except (HypervisorError, Refused) as error:
                self._failed(watched, began, error)
                return None
            self._answered(watched)
            return again_in_s

        return run

    def _costly(self, watched: Watched, ask: Ask) -> Callable[[], float | None]:
        """Ask for more than a look; a host that is too busy for it is not unreachable, so the next look decides."""

        def run() -> float | None:
            if watched.ended:
                return None
            try:
                return ask(watched, connect.get(watched.address))
            except (HypervisorError, Refused) as error:
                logger.info("%s: %s", watched.address.name, error.text)
                self.quick.ring((watched.host_id, "look"))
                return _jittered(SAMPLE_EVERY_S)

        return run

    def _reach(self, watched: Watched, host: Hypervisor) -> float | None:
        """Connect, make sure that it is the machine we know, hear its events, then begin the rounds."""
        facts = host.facts()
        if facts.uuid and facts.uuid != watched.hardware_uuid:
            text = (
                f"Another machine answers at {watched.address.address}: its UUID is {facts.uuid}, "
                f"not {watched.hardware_uuid}"
            )
            raise HostUnreachable(text, host=watched.address.name)
        _unsubscribe(watched)
        watched.unsubscribe = host.subscribe(lambda event: self._heard(watched, event))
        watched.stored = None
        spread_s = min(len(self._hosts) / BEGIN_PER_S, INVENTORY_EVERY_S)
        key = watched.host_id
        self.quick.arm((key, "look"), self._vital(watched, self._look))
        self.slow.arm((key, "sample"), self._costly(watched, self._sample), in_s=_jittered(SAMPLE_EVERY_S) / 2)
        self.slow.arm(
            (key, "inventory"),
            self._costly(watched, self._inventory),
            in_s=random.uniform(0, spread_s),  # noqa: S311
        )
        return None

    def _look(self, watched: Watched, host: Hypervisor) -> float:
        glimpses = host.glimpses()
        stored = watched.stored
        if stored is None:
            self._ledger.put(watched, glimpses=glimpses)
        elif picture(glimpses) != stored:
            self._ledger.put(watched, glimpses=glimpses, urgent=True)
        watched.looks += 1
        return LOOK_EVERY_S

    def _describe(self, watched: Watched, host: Hypervisor) -> None:
        wanted, watched.wanted = watched.wanted, set()
        try:
            guests = [host.guest(uuid) for uuid in sorted(wanted)]
        except HypervisorError:
            watched.wanted |= wanted
            raise
        self._ledger.put(watched, details=[guest for guest in guests if guest is not None])

    def _sample(self, watched: Watched, host: Hypervisor) -> float:
        load, statistics, now = host.load(), host.statistics(), time.monotonic()
        used_mib = max(watched.memory_mib - load.memory_free_mib, 0)
        host_told = samples.worth_telling_of_host(
            watched.told_load,
            percent=samples.cpu_percent(watched.load, load),
            used_mib=used_mib,
            memory_mib=watched.memory_mib,
        )
        cpus = samples.guest_cpus(watched.guest_cpu, statistics, now)
        told = samples.worth_telling(watched.told_cpu, cpus)
        watched.load, watched.guest_cpu = load, {one.uuid: (now, one.cpu_time_ns) for one in statistics}
        if host_told:
            watched.told_load = host_told
            self._ledger.put(watched, load=dict(zip(("cpu_percent", "memory_used_mib"), host_told, strict=True)))
        if told:
            kept = {uuid: value for uuid, value in watched.told_cpu.items() if uuid not in told}
            watched.told_cpu = kept | {uuid: value for uuid, value in told.items() if value is not None}
            self._ledger.put(watched, guest_cpus=told)
        self._gauge(watched, host, statistics)
        return _jittered(SAMPLE_EVERY_S)

    def _gauge(self, watched: Watched, host: Hypervisor, statistics: tuple[GuestStatistics, ...]) -> None:
        """Read what was measured of the guests since the last sample, and begin with those that are due."""
        now, gauged = time.monotonic(), watched.gauged
        began, watched.gauges_begun_at = watched.gauges_begun_at, now
        answers = gauging.read(host, gauged, began, statistics)
        if answers:
            self._ledger.put(watched, writing={one.rate.uuid: one for one in answers})
        running = [one.uuid for one in statistics]
        wanted = gauging.due(running, busy=watched.busy, gauged=gauged, now=now, round_s=SAMPLE_EVERY_S)
        kept = {uuid: one for uuid, one in gauged.items() if uuid in running}
        watched.gauged = kept | gauging.begin(host, wanted, time.monotonic())

    def _inventory(self, watched: Watched, host: Hypervisor) -> float:
        facts = host.facts()
        pools = self._marked(watched, host, host.pools(refresh=True))
        self._ledger.put(watched, host_facts=facts, pools=pools, details=host.guests())
        # Compare rows and host anew, too: whoever else wrote them may have been wrong.
        watched.stored = None
        watched.inventories += 1
        soon = watched.inventories == 1 and any(pool.kind in FOLDERS for pool in pools)
        return _jittered(SECOND_INVENTORY_S if soon else INVENTORY_EVERY_S)

    def _marked(self, watched: Watched, host: Hypervisor, pools: tuple[PoolFacts, ...]) -> tuple[PoolFacts, ...]:
        """The pools, after our marker was put into those that lack it: equal sets of markers prove a shared folder."""
        lacking = [
            pool for pool in pools if pool.active and pool.kind in FOLDERS and watched.hardware_uuid not in pool.markers
        ]
        placed = {pool.name for pool in lacking if _place_marker(host, pool, watched)}
        if not placed:
            return pools
        pools = host.pools(refresh=True)
        sharing = {marker for pool in pools if pool.name in placed for marker in pool.markers}
        for other in list(self._hosts.values()):
            if other is not watched and other.hardware_uuid in sharing:
                self.slow.ring((other.host_id, "inventory"), in_s=SHARERS_LOOK_IN_S)
        return pools

    # -- what came of it ----------------------------------------------------------------------------------------------

    def _heard(self, watched: Watched, event: GuestEvent) -> None:
        """libvirt told something: a reason to look, never a fact by itself. Called in libvirt's event thread."""
        if watched.ended:
            return
        if event.kind == "closed":
            # Our subscription went with the connection.
            self._arm_reach(watched, 0.0)
        elif event.kind == "lifecycle":
            if event.detail == "defined" and event.uuid in (watched.stored or {}):
                # Edited; a guest that is new, came or started is described once its row says so.
                self.describe(watched, [event.uuid])
            self.quick.ring((watched.host_id, "look"))

    def _answered(self, watched: Watched) -> None:
        watched.answered_at = time.monotonic()
        watched.contact = answered(watched.contact)
        self._tell_contact(watched, Host.Contact.UP.value, "")

    def _failed(self, watched: Watched, began: float, error: HypervisorError | Refused) -> None:
        """Give up the rounds and try to reach the host again, soon or later."""
        watched.failures += 1
        was_up = watched.contact.up
        watched.contact = failed(watched.contact, began=began, now=time.monotonic(), text=error.text)
        if not watched.contact.up:
            if was_up:
                logger.warning("host %s is unreachable: %s", watched.address.name, error.text)
            # A host that was switched off on purpose is silent on purpose.
            if watched.row_contact[0] != Host.Contact.POWERED_OFF:
                self._tell_contact(watched, Host.Contact.UNREACHABLE.value, error.text)
        for lane in (self.quick, self.slow):
            for errand in ("look", "describe", "sample", "inventory"):
                lane.disarm((watched.host_id, errand))
        self._arm_reach(watched, pause_s(watched.contact, chance=random.random()))  # noqa: S311

    def _arm_reach(self, watched: Watched, in_s: float) -> None:
        self.reaching.arm((watched.host_id, "reach"), self._vital(watched, self._reach), in_s=in_s)

    def _tell_contact(self, watched: Watched, contact: str, text: str) -> None:
        if watched.row_contact != (contact, text):
            self._ledger.put(watched, contact=(contact, text))


def _place_marker(host: Hypervisor, pool: PoolFacts, watched: Watched) -> bool:
    try:
        host.place_marker(pool.name, watched.hardware_uuid)
    except HostUnreachable:
        raise
    except HypervisorError as error:
        logger.info("%s: pool %s takes no marker, so it counts as local: %s", watched.address.name, pool.name, error)
        return False
    return True


def _runs(address: HostAddress, guest_uuid: str) -> bool:
    try:
        seen = connect.get(address).glimpse(guest_uuid)
    except (HypervisorError, Refused):
        return False
    return seen is not None and seen.state == GuestState.RUNNING


def _unsubscribe(watched: Watched) -> None:
    stop, watched.unsubscribe = watched.unsubscribe, None
    if stop is not None:
        stop()


def _jittered(seconds: float) -> float:
    return seconds * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311
