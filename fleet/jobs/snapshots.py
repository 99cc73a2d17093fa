"""What a topic shows right now to one person: the first message of every socket, and the page's way to catch up."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

from fleet.access.principal import Principal
from fleet.documents import event_document, guest_document, host_document, job_document
from fleet.jobs.live import job_sites
from fleet.jobs.visibility import visible_jobs
from fleet.models import Guest, Host, JobEvent
from fleet.states import UNFINISHED

#: Finished jobs a list shows beside the unfinished ones.
RECENT_JOBS = 20
#: Rows of a list topic; pages of larger fleets show one page of rows and get updates for those.
MAX_ROWS = 500

_TOPIC = re.compile(r"(jobs|hosts|guests)|(job|host|guest):([0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})")


def is_topic(topic: str) -> bool:
    """Whether this is a topic at all."""
    return _TOPIC.fullmatch(topic) is not None


def snapshot(topic: str, principal: Principal) -> dict[str, Any]:
    """The snapshot message of a topic, or a refusal that does not tell whether the thing exists."""
    kind, _, identifier = topic.partition(":")
    documents = _LISTS[kind.rstrip("s")](principal, UUID(identifier) if identifier else None)
    if identifier and not documents:
        return {"type": "refused", "topic": topic, "code": "not_found", "message": "There is no such thing."}
    message: dict[str, Any] = {"type": "snapshot", "topic": topic, "documents": documents}
    if kind == "job":
        events = JobEvent.objects.filter(job_id=identifier).order_by("seq")
        message["events"] = [event_document(event) for event in events]
    return message


def may_see(principal: Principal, sites: list[str]) -> bool:
    """Whether a message about things at `sites` is for this person."""
    return principal.everywhere is not None or bool({str(site) for site in principal.at_sites} & set(sites))


def narrowed(document: dict[str, Any], principal: Principal, sites: list[str]) -> dict[str, Any]:
    """A document with only those actions that this person may take."""
    if "permitted_actions" not in document:
        return document
    places: list[UUID | None] = [UUID(site) for site in sites] or [None]
    allowed = [
        action
        for action in document["permitted_actions"]
        if any(principal.allows(f"job.{action}", place) for place in places)
    ]
    return document | {"permitted_actions": allowed}


def _jobs(principal: Principal, identifier: UUID | None) -> list[dict[str, Any]]:
    rows = visible_jobs(principal).for_documents().select_related("guest__host", "host")
    if identifier:
        found = list(rows.filter(pk=identifier))
    else:
        finished = rows.exclude(state__in=UNFINISHED).order_by("-created_at")
        found = [*rows.filter(state__in=UNFINISHED)[:MAX_ROWS], *finished[:RECENT_JOBS]]
    return [narrowed(job_document(job), principal, job_sites(job)) for job in found]


def _hosts(principal: Principal, identifier: UUID | None) -> list[dict[str, Any]]:
    rows = principal.restrict(Host.objects.for_documents(), "site")
    return [host_document(host) for host in (rows.filter(pk=identifier) if identifier else rows[:MAX_ROWS])]


def _guests(principal: Principal, identifier: UUID | None) -> list[dict[str, Any]]:
    rows = principal.restrict(Guest.objects.for_documents(), "host__site")
    return [guest_document(guest) for guest in (rows.filter(pk=identifier) if identifier else rows[:MAX_ROWS])]


_LISTS = {"job": _jobs, "host": _hosts, "guest": _guests}
