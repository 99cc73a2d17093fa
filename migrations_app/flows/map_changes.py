"""Maps come in, change and go; each change is written down with who made it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from fleet.access import audit
from fleet.access.principal import Principal
from fleet.models import Site
from fleet.refusals import Refused
from migrations_app import map_rules
from migrations_app.models import TargetMap
from migrations_app.options import NO_MAP

_VERB = "map.change"


def visible(principal: Principal) -> QuerySet[TargetMap]:
    """Maps of a site where the principal has a role, and those of no site for whoever has one anywhere."""
    rows = TargetMap.objects.select_related("source_site", "target_site")
    if principal.best_role is None:
        return rows.none()
    of_sites = principal.restrict(rows, "source_site", "target_site")
    return of_sites if principal.everywhere else of_sites | rows.filter(source_site=None)


def add(*, principal: Principal, **fields: Any) -> TargetMap:
    """A new map; raises Forbidden, and Refused that names the field."""
    return _store(principal, TargetMap(**fields), verb="map.add", before=None)


def change(*, principal: Principal, row: TargetMap, **fields: Any) -> TargetMap:
    """Change what is given. Moves that were decided already keep the rules they were decided with."""
    before = document(row)
    for name, value in fields.items():
        setattr(row, name, value)
    return _store(principal, row, verb=_VERB, before=before)


def remove(*, principal: Principal, row: TargetMap) -> None:
    """Forget a map; moves that were decided already keep its rules."""
    principal.require(_VERB, what=row.name)
    with transaction.atomic():
        audit.record(principal=principal, verb="map.remove", subject=row, outcome="done", before=document(row))
        row.delete()


def document(row: TargetMap) -> dict[str, Any]:
    """What people write of a map."""
    return {
        "name": row.name,
        "description": row.description,
        "rules": row.rules,
        "source_site": row.source_site.slug if row.source_site else None,
        "target_site": row.target_site.slug if row.target_site else None,
    }


def _store(principal: Principal, row: TargetMap, *, verb: str, before: Mapping[str, Any] | None) -> TargetMap:
    # A map concerns every move that names it, so the role is needed everywhere.
    principal.require(_VERB, what=row.name)
    row.rules = map_rules.parse(row.rules).document()
    with transaction.atomic():
        # Whoever comes second waits here and is told in words, where the constraint would only say no.
        others = list(TargetMap.objects.select_for_update().exclude(pk=row.pk))
        _check_name(row.name, others)
        _check_sites(row.source_site, row.target_site, others)
        row.save()
        after = document(row)
        audit.record(principal=principal, verb=verb, subject=row, outcome="done", before=before, after=after)
    return row


def _check_name(name: str, others: list[TargetMap]) -> None:
    if name == NO_MAP:
        remedy = "Choose another name; the option map 'none' says no to every map."
        raise Refused("A map cannot be called none.", code="invalid", field="name", remedy=remedy)
    if any(other.name == name for other in others):
        text = f"There is a map named {name} already."
        raise Refused(text, code="taken", field="name", remedy="Choose another name, or change that one.")


def _check_sites(source: Site | None, target: Site | None, others: list[TargetMap]) -> None:
    if (source is None) != (target is None):
        raise Refused(
            "A map that holds by itself needs both sites.",
            code="invalid",
            field="source_site" if source is None else "target_site",
            remedy="Name both, or none: then it holds only for moves that name it.",
        )
    for other in others:
        if source is not None and (other.source_site_id, other.target_site_id) == (source.pk, target and target.pk):
            raise Refused(
                f"Between {source} and {target} the map {other.name} holds already.",
                code="taken",
                field="target_site",
                remedy="Take the sites from that one first, or add the rules there.",
            )
