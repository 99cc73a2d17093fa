"""Links between sites come in, change and go."""

from __future__ import annotations

from typing import Any

from django.db import IntegrityError, transaction

from fleet.access import audit
from fleet.access.principal import Principal
from fleet.models import SiteLink
from fleet.refusals import Refused

_VERB = "site.change"


def add_link(*, principal: Principal, **fields: Any) -> SiteLink:
    """A new link from the site `source` to the site `target`, in that direction."""
    return _store(principal, SiteLink(**fields), verb="link.add", before=None)


def change_link(*, principal: Principal, link: SiteLink, **fields: Any) -> SiteLink:
    """Change what a link carries or which sites it joins."""
    before = _document(link)
    for name, value in fields.items():
        setattr(link, name, value)
    return _store(principal, link, verb="link.change", before=before)


def remove_link(*, principal: Principal, link: SiteLink) -> None:
    """Forget a link."""
    principal.require(_VERB, what=str(link))
    with transaction.atomic():
        audit.record(principal=principal, verb="link.remove", subject=link, outcome="done", before=_document(link))
        link.delete()


def _store(principal: Principal, link: SiteLink, *, verb: str, before: dict[str, Any] | None) -> SiteLink:
    # A link concerns two sites, so the role is needed everywhere.
    principal.require(_VERB, what=str(link))
    if link.source == link.target:
        raise Refused("A link joins two different sites.", code="invalid", field="target")
    try:
        with transaction.atomic():
            link.save()
            audit.record(
                principal=principal, verb=verb, subject=link, outcome="done", before=before, after=_document(link)
            )
    except IntegrityError as error:
        raise Refused(
            f"There is a link from {link.source} to {link.target} already.",
            code="taken",
            field="target",
            remedy="Change that one.",
        ) from error
    return link


def _document(link: SiteLink) -> dict[str, Any]:
    return {
        "source": link.source.slug,
        "target": link.target.slug,
        "bandwidth_mbps": link.bandwidth_mbps,
        "round_trip_ms": link.round_trip_ms,
        "max_moves": link.max_moves,
    }
