"""Several guests asked to move together: all are accepted as children of one parent job, or none is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from fleet.access import audit
from fleet.access.principal import Principal
from fleet.jobs import lifecycle, live
from fleet.models import Guest, Host, Job
from fleet.refusals import Refused
from migrations_app.flows import replays, situations
from migrations_app.flows.submit import submit
from migrations_app.flows.wishes import Wish


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """One guest and what is wished for it."""

    guest: Guest
    wish: Wish


@dataclass(frozen=True, kw_only=True, slots=True)
class Together:
    """The parent and its children, in the order of the items."""

    parent: Job
    jobs: list[Job]
    replayed: bool = False


def submit_together(*, principal: Principal, items: Sequence[Item], idempotency_key: str = "") -> Together:
    """Store all moves and their parent; raises what `submit` raises, its `field` under "items/NUMBER"."""
    digest = replays.digest(
        [[str(item.guest.pk), item.wish.document(), item.wish.options.document()] for item in items]
    )
    if idempotency_key and (parent := replays.earlier_job(principal, idempotency_key, digest)):
        return Together(parent=parent, jobs=list(parent.children.order_by("created_at", "id")), replayed=True)
    with transaction.atomic():
        parent = _parent(principal, items, idempotency_key, digest)
        jobs = [_one(principal, item, parent, number) for number, item in enumerate(items)]
        parent.host = _only({job.host for job in jobs})
        parent.title = _title(items, jobs)
        parent.save(update_fields=["host", "title"])
        lifecycle.record(parent.pk, code="submitted", message=f"{principal.name} asked for this: {parent.title}")
        after = {"jobs": [str(job.pk) for job in jobs]}
        audit.record(
            principal=principal, verb="migration.submit", subject=parent, outcome="accepted", after=after, job=parent
        )
        live.job_changed(parent.pk)
    return Together(parent=parent, jobs=jobs)


def _parent(principal: Principal, items: Sequence[Item], key: str, digest: str) -> Job:
    return Job.objects.create(
        kind=Job.Kind.MOVES,
        origin=situations.place_of(items[0].guest),
        subject_name=_count(items),
        title=f"Move {_count(items)}",
        requested_by=principal.user,
        idempotency_key=key,
        request_digest=digest,
        progress={"percent": 0, "moved": 0, "of": len(items), "failed": 0},
    )


def _one(principal: Principal, item: Item, parent: Job, number: int) -> Job:
    try:
        submission = submit(principal=principal, guest=item.guest, wish=item.wish.under(parent))
    except Refused as refusal:
        refusal.field = f"items/{number}/{refusal.field}".rstrip("/")
        raise
    assert submission.job is not None  # noqa: S101 - only dry runs have none
    return submission.job


def _title(items: Sequence[Item], jobs: Sequence[Job]) -> str:
    source, destination = _only({job.origin for job in jobs}), _only({job.host for job in jobs})
    words = f"Move {_count(items)}"
    words += f" from {source.name}" if source else ""
    return words + (f" to {destination.name}" if destination else "")


def _only(hosts: set[Host | None]) -> Host | None:
    return next(iter(hosts)) if len(hosts) == 1 else None


def _count(items: Sequence[Item]) -> str:
    return f"{len(items)} guest{'' if len(items) == 1 else 's'}"


def items_of(rows: Sequence[tuple[Guest, Mapping[str, Any]]]) -> list[Item]:
    """Items from guests and the words that `Wish` knows."""
    return [Item(guest=guest, wish=Wish.of(words)) for guest, words in rows]
