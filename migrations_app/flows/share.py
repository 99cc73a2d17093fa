"""A running move's part of the links: what it may take now is in its row, and is carried out here."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from uuid import UUID

from django.db import connection
from django.db.models.functions import Now

from fleet.hypervisor.errors import HypervisorError
from fleet.hypervisor.facts import GuestEvent
from migrations_app.allotment import TRICKLE_MIB_S
from migrations_app.flows import admit
from migrations_app.flows.errand import Errand
from migrations_app.models import Migration

#: For so long a share that was taken over may be more than its row says.
ROWS_FOLLOW_S = 5.0
#: The shares of the moves that this process carries, by job: whoever lets go hurries the others here at once.
_carried_here: dict[UUID, Share] = {}


def allotted(errand: Errand) -> int:
    """MiB/s it may take now; 0: nothing limits it."""
    rows = Migration.objects.filter(pk=errand.migration.pk)
    return rows.values_list("allotted_mib_s", flat=True).first() or errand.terms.bandwidth_mib_s


class Share:
    """Keeps a migration at what its row allots; `given` is what libvirt was told last, None before anything."""

    def __init__(self, errand: Errand, given: int | None = None) -> None:
        self.errand, self.given, self._steered = errand, given, given
        #: Set when libvirt has told of the memory's first bytes. Important: a speed that is set before is taken without
        #: a word, and then the migration begins with the one it was called with.
        self.flows = threading.Event()
        self._lock = threading.Lock()
        self._ahead_until = 0.0
        self._let_go = threading.Event()

    @contextlib.contextmanager
    def kept(self) -> Iterator[None]:
        """Others in this process may hurry it meanwhile."""
        _carried_here[self.errand.migration.pk] = self
        try:
            yield
        finally:
            _carried_here.pop(self.errand.migration.pk, None)

    @property
    def gets_ready(self) -> bool:
        """Whether it only prepares itself beside another: its pace says nothing about the link or the guest."""
        return self.given == TRICKLE_MIB_S != self.errand.terms.bandwidth_mib_s

    def hurry(self) -> None:
        """Tell libvirt if it is something else by now; a migration that just begins or ends is told later."""
        if not self.flows.is_set():
            return
        now = allotted(self.errand)
        with self._lock:
            early = self.given is not None and now < self.given and time.monotonic() < self._ahead_until
            if not early:
                self._tell(now)

    def take_over(self, mib_s: int) -> None:
        """What another one here has just let go; before the rows say so, for writing them takes its time."""
        with self._lock:
            if self.flows.is_set() and self.given is not None and mib_s > self.given:
                self._ahead_until = time.monotonic() + ROWS_FOLLOW_S
                self._tell(mib_s)

    def _tell(self, mib_s: int) -> None:
        if mib_s in {0, self.given}:
            return
        try:
            self.errand.source.set_bandwidth(self.errand.uuid, mib_s)
        except HypervisorError:
            return
        self.given = mib_s

    def apply(self, steer: Callable[[int], None]) -> None:
        """`hurry`, for the thread that steers: `steer` learns of every change, whoever carried it out."""
        self.hurry()
        if self.given is not None and self.given != self._steered:
            self._steered = self.given
            steer(self.given)

    def cap(self, mib_s: int) -> None:
        """An operator limits it from now on (0: no more); what that leaves goes to the others."""
        if self.given:
            self.errand.migration.terms = {**self.errand.migration.terms, "bandwidth_mib_s": mib_s}
            Migration.objects.filter(pk=self.errand.migration.pk).update(terms=self.errand.migration.terms)
            admit.tidy()

    def listener(self) -> Callable[[GuestEvent], None]:
        """What the destination's event thread calls: the guest goes on there, so all its bytes are across."""

        def on_event(event: GuestEvent) -> None:
            mine = event.uuid == self.errand.uuid and event.kind == "lifecycle"
            # After post-copy the reason is another one: its memory still follows then.
            if mine and (event.detail, event.reason) == ("resumed", "migrated"):
                threading.Thread(target=self.let_go, name=f"let-go-{self.errand.name}", daemon=True).start()

        return on_event

    def let_go(self) -> None:
        """All bytes are across: the next one takes over at once, not only when this job has ended.

        For threads beside the one that settles.
        """
        if not self.given or self._let_go.is_set():
            return
        self._let_go.set()
        try:
            for job, mib_s in admit.without(self.errand.migration.pk).items():
                if (share := _carried_here.get(job)) is not None:
                    share.take_over(mib_s)
            rows = Migration.objects.filter(pk=self.errand.migration.pk, carried_at__isnull=True)
            if rows.update(carried_at=Now()):
                admit.tidy()
        finally:
            connection.close()
