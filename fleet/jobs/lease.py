"""Leases: which worker owns a running job, with a fencing number that every later write must match.

Database time decides, never a worker's clock.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import Error as DatabaseTrouble
from django.db import close_old_connections, connection, transaction
from django.db.models import DateTimeField, ExpressionWrapper, F, Q
from django.db.models.functions import Now

from fleet.models import Job
from fleet.models.job import JobQuerySet
from fleet.states import UNFINISHED

logger = logging.getLogger(__name__)

#: Unique to this process, readable in the log: machine, process, a random part for recycled process numbers.
OWNER = f"{socket.gethostname()[:40]}:{os.getpid()}:{secrets.token_hex(4)}"
#: A lease is renewed this many times in its span, so that one slow write loses nothing.
RENEWALS_PER_SPAN = 4


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to work on one job; `lost` is set as soon as it cannot be proven any more."""

    job_id: UUID
    number: int
    owner: str
    lost: threading.Event = field(default_factory=threading.Event, compare=False)

    def rows(self) -> JobQuerySet:
        """The job's row, if the lease still holds: for conditional updates."""
        return Job.objects.filter(pk=self.job_id, lease_owner=self.owner, lease_number=self.number)


def from_now(seconds: float) -> ExpressionWrapper[Any]:
    """Database time plus some seconds, as an expression."""
    return ExpressionWrapper(Now() + timedelta(seconds=seconds), output_field=DateTimeField())


def free() -> Q:
    """Unfinished jobs that nobody works on."""
    return Q(state__in=UNFINISHED) & (Q(lease_expires_at__isnull=True) | Q(lease_expires_at__lt=Now()))


def take(job_id: UUID | str, owner: str = "") -> Lease | None:
    """The lease of an unfinished job that nobody holds, or None; two workers asking at once get one lease."""
    owner = owner or OWNER
    # Important: one transaction, so that the number read is the one written here and never a later holder's.
    with transaction.atomic():
        taken = Job.objects.filter(free(), pk=job_id).update(
            lease_owner=owner, lease_number=F("lease_number") + 1, lease_expires_at=from_now(settings.LEASE_S)
        )
        if not taken:
            return None
        number = Job.objects.values_list("lease_number", flat=True).get(pk=job_id)
    return Lease(job_id=UUID(str(job_id)), number=number, owner=owner)


def release(lease: Lease, *, again_in_s: float) -> None:
    """Let the job rest; the sweep offers it to any worker after `again_in_s` seconds."""
    lease.rows().update(lease_expires_at=from_now(again_in_s))


def drop(lease: Lease) -> None:
    """Give the job back untouched; whoever is rung for it next has it at once."""
    lease.rows().update(lease_owner="", lease_expires_at=None)


@contextmanager
def kept(lease: Lease) -> Iterator[Lease]:
    """Keep renewing the lease while the block runs; `lease.lost` is set when that fails for good."""
    _keeper.add(lease)
    try:
        yield lease
    finally:
        _keeper.remove(lease)


class _Keeper:
    """One thread per process that renews all its leases."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._leases: dict[UUID, Lease] = {}
        self._proven_at: dict[UUID, float] = {}
        self._thread: threading.Thread | None = None
        self._wake = threading.Event()

    def add(self, lease: Lease) -> None:
        with self._lock:
            self._leases[lease.job_id] = lease
            self._proven_at[lease.job_id] = time.monotonic()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="lease-keeper", daemon=True)
                self._thread.start()

    def remove(self, lease: Lease) -> None:
        with self._lock:
            if self._leases.get(lease.job_id) is lease:
                del self._leases[lease.job_id]
                del self._proven_at[lease.job_id]
            if not self._leases:
                # The thread ends with the last lease, so an idle worker holds no database connection for it.
                self._wake.set()

    def _run(self) -> None:
        try:
            while True:
                self._wake.wait(settings.LEASE_S / RENEWALS_PER_SPAN)
                with self._lock:
                    self._wake.clear()
                    if not self._leases:
                        self._thread = None
                        return
                    leases = list(self._leases.values())
                for lease in leases:
                    self._renew_if_kept(lease)
        finally:
            connection.close()

    def _renew_if_kept(self, lease: Lease) -> None:
        with self._lock:
            # Given back since the list was made: renewing it now would keep the next worker waiting.
            kept = self._leases.get(lease.job_id) is lease
        if kept:
            self._renew(lease)

    def _renew(self, lease: Lease) -> None:
        try:
            held = lease.rows().update(lease_expires_at=from_now(settings.LEASE_S))
        except DatabaseTrouble as error:
            logger.warning("job %s: lease not renewed: %s", lease.job_id, error)
            close_old_connections()
            with self._lock:
                proven_at = self._proven_at.get(lease.job_id, 0.0)
            if time.monotonic() - proven_at > settings.LEASE_S:
                lease.lost.set()
            return
        if not held:
            lease.lost.set()
            return
        # Important: a database outage longer than the lease sets `lost`; when nobody took the job meanwhile it is
        # ours again, and the number proves it.
        lease.lost.clear()
        with self._lock:
            self._proven_at[lease.job_id] = time.monotonic()


_keeper = _Keeper()
