"""Sites as an admin sets them up: add, change, remove."""

from __future__ import annotations

import zoneinfo
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import ProtectedError

from fleet.access import audit
from fleet.access.principal import Principal
from fleet.models import Site
from fleet.refusals import Refused

FIELDS = ("slug", "name", "latitude", "longitude", "time_zone", "max_moves")


def add_site(*, principal: Principal, slug: str, name: str, **more: Any) -> Site:
    """A new site; raises Forbidden, and Refused that names the field."""
    principal.require("site.change", what=name)
    site = _checked(Site(slug=slug, name=name, **more))
    with transaction.atomic():
        site.save()
        audit.record(principal=principal, verb="site.add", subject=site, outcome="done", after=_document(site))
    return site


def change_site(*, principal: Principal, site: Site, **fields: Any) -> Site:
    """Change what is given; raises Forbidden, and Refused that names the field."""
    principal.require("site.change", site.pk, what=site.name)
    before = _document(site)
    for name, value in fields.items():
        setattr(site, name, value)
    _checked(site)
    with transaction.atomic():
        site.save()
        audit.record(
            principal=principal, verb="site.change", subject=site, outcome="done", before=before, after=_document(site)
        )
    return site


def remove_site(*, principal: Principal, site: Site) -> None:
    """Remove a site that no host stands at; raises Forbidden and Refused."""
    principal.require("site.change", site.pk, what=site.name)
    if count := site.hosts.count():
        raise Refused(
            f"{site.name} has {count} host{'' if count == 1 else 's'}.",
            code="site_in_use",
            remedy="Move the hosts to another site first.",
        )
    try:
        with transaction.atomic():
            audit.record(principal=principal, verb="site.remove", subject=site, outcome="done", before=_document(site))
            site.delete()
    except ProtectedError as error:
        names = ", ".join(sorted(f"{one._meta.verbose_name} {one}" for one in error.protected_objects))
        raise Refused(
            f"{site.name} is named by: {names}.",
            code="site_in_use",
            remedy="Take it out of there first; nothing that holds between sites changes by itself.",
        ) from error


def _checked(site: Site) -> Site:
    try:
        site.full_clean()
    except ValidationError as error:
        field, texts = next(iter(error.message_dict.items()))
        raise Refused(" ".join(texts), code="invalid", field="" if field == "__all__" else field) from error
    if site.time_zone not in zoneinfo.available_timezones():
        raise Refused(
            f"There is no time zone '{site.time_zone}'.",
            code="invalid",
            field="time_zone",
            remedy="Use an IANA name such as Europe/Berlin.",
        )
    return site


def _document(site: Site) -> dict[str, Any]:
    return {name: getattr(site, name) for name in FIELDS}
