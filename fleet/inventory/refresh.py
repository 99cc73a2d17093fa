"""Asking a host now, because a person wants to see the truth at once."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from fleet.access.principal import Principal
from fleet.inventory import collect, probing, sightings
from fleet.models import Host
from fleet.refusals import Refused


def refresh_host(*, principal: Principal, host: Host) -> Host:
    """Read the host and its guests anew and store what changed; Refused says why it could not be read.

    Leaves no audit row: it changes nothing but what we know. Contact and version are written in any case, so that the
    watcher looks at the rows again.
    """
    principal.require("host.refresh", host.site_id, what=host.name)
    found = probing.ask(host.where())
    if found.facts.uuid != str(host.hardware_uuid):
        raise Refused(
            f"Another machine answers at the address of '{host.name}': its UUID is {found.facts.uuid}.",
            code="other_machine",
            remedy="Change the host's address, or remove the host and add the new machine.",
        )
    with transaction.atomic():
        changes = collect.change_host_row(
            host.pk, {"contact": Host.Contact.UP, "contact_text": "", "last_seen_at": timezone.now()}
        )
        changes.add(collect.store_host(host_id=host.pk, host_facts=found.facts, pools=found.pools))
        changes.add(
            sightings.store_guests(
                host_id=host.pk,
                glimpses=sightings.glimpses_of(found.guests),
                details={guest.uuid: guest for guest in found.guests},
            )
        )
        collect.announce(changes)
    return Host.objects.select_related("site").get(pk=host.pk)
