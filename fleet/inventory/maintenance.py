"""Maintenance: the operator's wish that a host gets no new guests."""

from __future__ import annotations

from django.db import transaction

from fleet.access import audit
from fleet.access.principal import Principal
from fleet.inventory import collect
from fleet.models import Host


def set_maintenance(*, principal: Principal, host: Host, on: bool) -> Host:
    """Enter or leave maintenance; asking for what is already so changes nothing and is no error."""
    verb = "host.maintenance"
    principal.require(verb, host.site_id, what=host.name)
    with transaction.atomic():
        row = Host.objects.select_for_update(of=("self",)).select_related("site").get(pk=host.pk)
        if row.maintenance == on:
            return row
        changes = collect.change_host_row(row.pk, {"maintenance": on})
        audit.record(
            principal=principal,
            verb=verb,
            subject=row,
            outcome="done",
            before={"maintenance": not on},
            after={"maintenance": on},
        )
        collect.announce(changes)
    return Host.objects.select_related("site").get(pk=host.pk)
