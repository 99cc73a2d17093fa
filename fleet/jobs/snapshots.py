"""What a topic shows right now to one person: the first message of every socket, and what it may have missed since."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

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

_TOPIC = re.compile(r"(jobs|hosts|guests|alarms)|(job|host|guest):([0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})")


def is_topic(topic: str) -> bool:
    """Whether this is a topic at all."""
    return _TOPIC.fullmatch(topic) is not None


def snapshot(topic: str, principal: Principal) -> dict[str, Any]:
    """The snapshot message of a topic, or a refusal that does not tell whether the thing exists."""
    kind, _, identifier = topic.partition(":")
    found = [document for rows in _shown_rows(topic, principal) for document in _documents(kind, rows, principal)]
    if identifier and not found:
        return refusal(topic, "not_found", "There is no such thing.")
    message: dict[str, Any] = {"type": "snapshot", "topic": topic, "documents": found}
    if kind == "job":
        events = JobEvent.objects.filter(job_id=identifier).order_by("seq")
        message["events"] = [event_document(event) for event in events]
    return message


def refusal(topic: str, code: str, text: str) -> dict[str, Any]:
    """The message that says why a topic shows nothing."""
    return {"type": "refused", "topic": topic, "code": code, "message": text}


def numbers(topic: str, principal: Principal) -> dict[str, int]:
    """The number of every document that a snapshot would hold, by id; cheap enough to be asked again and again."""
    column = "seq" if topic.startswith("job") else "version"
    rows = (row for query in _shown_rows(topic, principal) for row in query.values_list("id", column))
    return {str(identifier): number for identifier, number in rows}


def unseen(topic: str, principal: Principal, identifiers: Iterable[str]) -> set[str]:
    """Which of these this person cannot see any more: removed, or moved to a site of others."""
    wanted = set(identifiers)
    if not wanted:
        return set()
    seen = _visible(topic, principal).filter(pk__in=wanted).order_by().values_list("pk", flat=True)
    return wanted - {str(identifier) for identifier in seen}


def documents(topic: str, principal: Principal, identifiers: Iterable[str]) -> list[dict[str, Any]]:
    """These documents, as far as this person may see them."""
    return _documents(topic, _visible(topic, principal).filter(pk__in=list(identifiers)), principal)


def last_line(topic: str) -> int:
    """The number of the last line in a job's log."""
    lines = JobEvent.objects.filter(job_id=topic.partition(":")[2]).order_by("-seq")
    return lines.values_list("seq", flat=True).first() or 0


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


def visible_alarms(principal: Principal) -> QuerySet[Guest]:
    """Guests that run twice; whoever may see one of the copies is told."""
    twice = principal.restrict(Guest.objects.running_twice(), "host__site", "sightings__host__site")
    return twice if principal.everywhere is not None else twice.distinct()


def _visible(topic: str, principal: Principal) -> QuerySet[Any]:
    """Everything of a topic's kind that this person may see."""
    if topic.startswith("job"):
        return visible_jobs(principal)
    if topic.startswith("host"):
        return principal.restrict(Host.objects.all(), "site")
    if topic == "alarms":
        return visible_alarms(principal)
    return principal.restrict(Guest.objects.all(), "host__site")


def _shown_rows(topic: str, principal: Principal) -> list[QuerySet[Any]]:
    """The rows a snapshot shows, as one or two queries."""
    visible, identifier = _visible(topic, principal), topic.partition(":")[2]
    if identifier:
        return [visible.filter(pk=identifier)]
    if topic == "jobs":
        finished = visible.exclude(state__in=UNFINISHED).order_by("-created_at")
        return [visible.filter(state__in=UNFINISHED)[:MAX_ROWS], finished[:RECENT_JOBS]]
    return [visible[:MAX_ROWS]]


def _documents(topic: str, rows: QuerySet[Any], principal: Principal) -> list[dict[str, Any]]:
    if topic.startswith("job"):
        jobs = rows.for_documents()  # type: ignore[attr-defined]
        return [narrowed(job_document(job), principal, job_sites(job)) for job in jobs]
    if topic.startswith("host"):
        return [host_document(host) for host in rows.for_documents()]  # type: ignore[attr-defined]
    return [guest_document(guest) for guest in rows.for_documents()]  # type: ignore[attr-defined]
