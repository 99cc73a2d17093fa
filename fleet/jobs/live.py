"""Live messages: what changed goes from this process to every open page, through one warm connection.

The database is the truth and a message only a hint: losing one costs a moment, never a fact.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Iterable
from functools import partial
from typing import Any
from uuid import UUID

from channels.layers import get_channel_layer
from django.db import transaction

from fleet.documents import event_document, guest_document, host_document, job_document
from fleet.models import Guest, Host, Job, JobEvent

logger = logging.getLogger(__name__)

#: Messages waiting for a slow or absent Redis; past this the oldest facts are already stale, so new ones are dropped.
MAX_WAITING = 1000
#: An outage is worth a line in the log this often.
COMPLAIN_EVERY_S = 60


def group_name(topic: str) -> str:
    """The channel group of a topic; groups may not hold a colon."""
    return f"drover.{topic.replace(':', '.')}"


def publish(topic: str, message: dict[str, Any]) -> None:
    """Send a message to everyone listening to `topic`; returns at once and never fails the caller."""
    _outlet.send(topic, message)


def job_changed(job_id: UUID | str, *, with_guest: bool = False) -> None:
    """After this transaction, tell the pages how the job stands now (and its guest, whose current job it is)."""
    transaction.on_commit(partial(_send_job, job_id, with_guest))


def jobs_changed(job_ids: Iterable[UUID]) -> None:
    """After this transaction, tell the pages how these jobs stand now; their rows are read together."""
    transaction.on_commit(partial(_send_jobs, list(job_ids)))


def host_changed(host_id: UUID | str) -> None:
    """After this transaction, tell the pages how the host stands now."""
    transaction.on_commit(partial(_send_host, host_id))


def guest_changed(guest_id: UUID | str) -> None:
    """After this transaction, tell the pages how the guest stands now."""
    transaction.on_commit(partial(_send_guest, guest_id))


def alarm_changed(guest_id: UUID | str) -> None:
    """After this transaction, raise or take back the banner about this guest on every open page."""
    transaction.on_commit(partial(_send_alarm, guest_id))


def gone(kind: str, identifier: UUID | str) -> None:
    """After this transaction, tell the pages that a host or guest is no longer known."""

    def send() -> None:
        for topic in (f"{kind}s", f"{kind}:{identifier}"):
            publish(topic, {"type": "gone", "topic": topic, "id": str(identifier)})

    transaction.on_commit(send)


def event_written(event: JobEvent) -> None:
    """Tell the pages that show this job of a new line in its log."""
    topic = f"job:{event.job_id}"
    publish(topic, {"type": "event", "topic": topic, "document": event_document(event)})


def send_document(kind: str, document: dict[str, Any], sites: list[str]) -> None:
    """Send a document to the list's and the object's topic; `sites` decides which site-limited people see it."""
    for topic in (f"{kind}s", f"{kind}:{document['id']}"):
        publish(topic, {"type": "update", "topic": topic, "document": document, "sites": sites})


def job_sites(job: Job) -> list[str]:
    """Ids of the sites whose people may see this job: where its guest is and was, and where its host stands."""
    hosts = [job.guest.host if job.guest else None, job.host, job.origin]
    return sorted({str(host.site_id) for host in hosts if host and host.site_id})


def _send_job(job_id: UUID | str, with_guest: bool) -> None:
    job = Job.objects.for_documents().filter(pk=job_id).first()
    if job is None:
        return
    send_document("job", job_document(job), job_sites(job))
    if with_guest and job.guest_id:
        _send_guest(job.guest_id)


def _send_jobs(job_ids: list[UUID]) -> None:
    for job in Job.objects.for_documents().filter(pk__in=job_ids) if job_ids else ():
        send_document("job", job_document(job), job_sites(job))


def _send_host(host_id: UUID | str) -> None:
    host = Host.objects.for_documents().filter(pk=host_id).first()
    if host is not None:
        send_document("host", host_document(host), [str(host.site_id)] if host.site_id else [])


def _send_guest(guest_id: UUID | str) -> None:
    guest = Guest.objects.for_documents().filter(pk=guest_id).first()
    if guest is not None:
        site = guest.host.site_id if guest.host else None
        send_document("guest", guest_document(guest), [str(site)] if site else [])


def _send_alarm(guest_id: UUID | str) -> None:
    guest = Guest.objects.for_documents().filter(pk=guest_id).first()
    if guest is None:
        return
    if guest.runs_twice_since is None:
        publish("alarms", {"type": "gone", "topic": "alarms", "id": str(guest_id)})
        return
    places = Host.objects.filter(name__in=guest.runs_twice_on, site__isnull=False).values_list("site_id", flat=True)
    sites = sorted({str(site) for site in places})
    publish("alarms", {"type": "update", "topic": "alarms", "document": guest_document(guest), "sites": sites})


class _Outlet:
    """One event loop thread per process that owns the channel layer's connection and keeps messages in order."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting = 0
        self._complained_at = 0.0

    def send(self, topic: str, message: dict[str, Any]) -> None:
        if self._waiting >= MAX_WAITING:
            self._complain("too many live messages are waiting; is Redis there?")
            return
        with self._lock:
            loop = self._loop = self._loop or self._start()
            self._waiting += 1
        asyncio.run_coroutine_threadsafe(self._deliver(topic, message), loop)

    def flush(self, timeout_s: float = 5) -> None:
        """Wait until all that was sent so far has left; for tests and clean ends."""
        deadline = time.monotonic() + timeout_s
        while self._waiting and time.monotonic() < deadline:
            time.sleep(0.005)

    def _start(self) -> asyncio.AbstractEventLoop:
        loop = asyncio.new_event_loop()
        threading.Thread(target=loop.run_forever, name="live-outlet", daemon=True).start()
        return loop

    async def _deliver(self, topic: str, message: dict[str, Any]) -> None:
        try:
            layer = get_channel_layer()
            await layer.group_send(group_name(topic), {"type": "stream.message", "message": message})
        except Exception as error:
            self._complain(f"live messages do not leave: {error}")
        finally:
            with self._lock:
                self._waiting -= 1

    def _complain(self, text: str) -> None:
        now = time.monotonic()
        if now - self._complained_at > COMPLAIN_EVERY_S:
            self._complained_at = now
            logger.warning("%s", text)


_outlet = _Outlet()
flush = _outlet.flush
