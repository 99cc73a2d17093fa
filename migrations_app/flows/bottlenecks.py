"""Rows as the queue sees them: unfinished moves in order, the slots they take and the links they pass."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from fleet.models import SiteLink
from fleet.states import UNFINISHED, JobState
from migrations_app.admission import Move, Pipe, Slot
from migrations_app.allotment import Stream
from migrations_app.models import Migration

#: Of a full Ethernet frame 1448 of 1538 bytes with its gap are payload under TCP; a little is left to others.
PAYLOAD = 0.94

#: What is read of every unfinished move, in one query.
_COLUMNS = (
    *("job_id", "mode", "storage", "terms", "not_before", "allotted_mib_s", "carried_at", "source_name"),
    *("destination_name", "source_id", "destination_id"),
)
_JOB = {name: F(f"job__{name}") for name in ("state", "waiting", "subject_name", "started_at", "created_at")}
_SIDES = ("source", "destination")
_ENDS = {
    f"{end}_{name}": F(f"{end}__{path}")
    for end in _SIDES
    for name, path in (
        ("limit", "max_moves_out" if end == "source" else "max_moves_in"),
        ("mbps", "migration_bandwidth_mbps"),
        ("site", "site_id"),
        ("site_name", "site__name"),
        ("site_limit", "site__max_moves"),
    )
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Traffic:
    """All unfinished moves at one moment; `waiting` and `allotted` are what their rows say, by the job's id."""

    now: datetime
    moves: tuple[Move, ...] = ()
    pipes: dict[str, Pipe]
    waiting: dict[str, dict[str, Any] | None]
    allotted: dict[str, int | None]


def read() -> Traffic:
    """The traffic now, in two queries at most, by the database's clock."""
    rows = list(
        Migration.objects.filter(job__state__in=UNFINISHED)
        .order_by("job__created_at", "job_id")
        .values(*_COLUMNS, **_JOB, **_ENDS, now=Now())
    )
    begun = sorted((row for row in rows if row["started_at"]), key=lambda row: row["started_at"])
    links = _links(rows)
    pipes: dict[str, Pipe] = {}
    moves = [_move(row, links, pipes) for row in [*begun, *(row for row in rows if not row["started_at"])]]
    return Traffic(
        now=rows[0]["now"] if rows else timezone.now(),
        moves=tuple(moves),
        pipes=pipes,
        waiting={str(row["job_id"]): row["waiting"] for row in rows if not row["started_at"]},
        allotted={str(row["job_id"]): row["allotted_mib_s"] for row in rows},
    )


def mib_s(mbps: float) -> float:
    """Megabits as networks count them, in MiB of a guest: what frames and headers take is left out."""
    return PAYLOAD * mbps / 8 / 1.048576


def _links(rows: list[dict[str, Any]]) -> dict[tuple[UUID, UUID], SiteLink]:
    pairs = {(row["source_site"], row["destination_site"]) for row in rows if _crosses(row)}
    if not pairs:
        return {}
    found = SiteLink.objects.filter(source__in={one for one, _ in pairs}, target__in={two for _, two in pairs})
    return {(link.source_id, link.target_id): link for link in found}


def _crosses(row: dict[str, Any]) -> bool:
    return bool(row["source_site"] and row["destination_site"] and row["source_site"] != row["destination_site"])


def _move(row: dict[str, Any], links: dict[tuple[UUID, UUID], SiteLink], pipes: dict[str, Pipe]) -> Move:
    link = links.get((row["source_site"], row["destination_site"])) if _crosses(row) else None
    begun = row["started_at"] is not None
    steerable = row["storage"] == Migration.Storage.NONE
    terms = row["terms"]
    return Move(
        id=str(row["job_id"]),
        name=row["subject_name"],
        begun=begun,
        # Of a move whose hosts are silent nobody can tell whether it still flows; the others do not wait for that.
        carried=row["carried_at"] is not None or row["state"] == JobState.UNKNOWN,
        slots=tuple(_slots(row, link)),
        stream=Stream(
            id=str(row["job_id"]),
            way=tuple(_way(row, link, pipes)),
            cap_mib_s=terms.get("bandwidth_mib_s", 0),
            share_percent=terms.get("bandwidth_share_percent", 100),
            fixed_mib_s=(row["allotted_mib_s"] or 0) if begun and not steerable else 0,
            steerable=steerable,
        ),
        not_before=row["not_before"],
    )


def _slots(row: dict[str, Any], link: SiteLink | None) -> list[Slot]:
    """Who limits how many: both hosts, the sites, the link between them."""
    slots: list[Slot] = []
    if row["source_id"]:
        limit = settings.MAX_MOVES_OUT if row["source_limit"] is None else row["source_limit"]
        slots.append(_slot(f"out:{row['source_id']}", f"{row['source_name']} sends", limit))
    if row["destination_id"] and row["mode"] != Migration.Mode.STORAGE:
        limit = settings.MAX_MOVES_IN if row["destination_limit"] is None else row["destination_limit"]
        slots.append(_slot(f"in:{row['destination_id']}", f"{row['destination_name']} takes", limit))
    sites = {
        row[f"{end}_site"]: (row[f"{end}_site_name"], row[f"{end}_site_limit"]) for end in ("source", "destination")
    }
    slots += [_slot(f"site:{key}", f"{name} has", limit) for key, (name, limit) in sites.items() if limit is not None]
    if link is not None and link.max_moves is not None:
        name = f"the link from {row['source_site_name']} to {row['destination_site_name']} carries"
        slots.append(_slot(f"moves:{link.pk}", name, link.max_moves))
    return slots


def _slot(key: str, words: str, limit: int) -> Slot:
    return Slot(key=key, words=f"{words} {limit or 'no'} move{'' if limit == 1 else 's'} at once", limit=limit)


def _way(row: dict[str, Any], link: SiteLink | None, pipes: dict[str, Pipe]) -> list[str]:
    """What it passes: the source's card, the link, the destination's card; speeds that are known go into `pipes`."""
    if row["mode"] == Migration.Mode.STORAGE:
        return []
    known = {
        f"card-out:{row['source_id']}": (f"the way out of {row['source_name']}", row["source_mbps"]),
        f"card-in:{row['destination_id']}": (f"the way into {row['destination_name']}", row["destination_mbps"]),
    }
    if link is not None:
        words = f"the link from {row['source_site_name']} to {row['destination_site_name']}"
        known[f"link:{link.pk}"] = (words, link.bandwidth_mbps)
    for key, (words, mbps) in known.items():
        if mbps:
            pipes[key] = Pipe(words=words, mib_s=mib_s(mbps))
    return list(known)
