"""Finding what a request body names, among what its sender may see."""

from __future__ import annotations

from typing import Any, TypeVar
from uuid import UUID

from django.db.models import Model, Q, QuerySet
from rest_framework.exceptions import ValidationError

from fleet.access.principal import Principal
from fleet.models import Guest, Host, Site

Row = TypeVar("Row", bound=Model)


def site(principal: Principal, text: str | None, *, field: str = "site") -> Site | None:
    """A site by slug or id; None for None or nothing."""
    rows = principal.restrict(Site.objects.all(), "pk")
    return _one(rows, text, field=field, names=("slug",), kind="site") if text else None


def host(principal: Principal, text: str, *, field: str = "host") -> Host:
    """A host by id or name."""
    rows = principal.restrict(Host.objects.select_related("site"), "site")
    return _one(rows, text, field=field, names=("name",), kind="host")


def guest(principal: Principal, text: str, *, field: str = "guest") -> Guest:
    """A guest by id, libvirt UUID, or a name that only one has."""
    rows = principal.restrict(Guest.objects.select_related("host__site"), "host__site")
    return _one(rows, text, field=field, names=("name",), kind="guest", uuids=("pk", "uuid"))


def _one(
    rows: QuerySet[Row], text: str, *, field: str, names: tuple[str, ...], kind: str, uuids: tuple[str, ...] = ("pk",)
) -> Row:
    wanted = Q()
    identifier = _uuid(text)
    for name in names:
        wanted |= Q(**{name: text})
    for name in uuids if identifier else ():
        wanted |= Q(**{name: identifier})
    found = list(rows.filter(wanted)[:2])
    if not found:
        raise _wrong(field, f"There is no {kind} '{text}'.")
    if len(found) > 1:
        raise _wrong(field, f"Several have the name '{text}'; give the id.")
    return found[0]


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _wrong(field: str, message: str) -> ValidationError:
    detail: dict[str, Any] = {}
    inner = detail
    *outer, last = field.split("/")
    for name in outer:
        inner = inner.setdefault(name, {})
    inner[last] = message
    return ValidationError(detail)
