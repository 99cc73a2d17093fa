"""Hosts come in, change and go: the one core behind the page, the API and the commands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import F, Q
from django.utils import timezone

from fleet.access import audit
from fleet.access.principal import Principal
from fleet.hypervisor.probe import Probe
from fleet.inventory import collect, host_fields, probing, sightings
from fleet.jobs import live
from fleet.models import Guest, Host, HostLease, Job, Site
from fleet.refusals import Busy, Refused


def add_host(
    *,
    principal: Principal,
    name: str,
    address: str,
    transport: str,
    port: int | None = None,
    username: str = "",
    site: Site | None = None,
    migration_address: str = "",
    tags: Sequence[str] = (),
    ssh_host_key: str = "",
    dry_run: bool = False,
    **limits: int | None,
) -> Host:
    """Connect to a host, look at it, and store it with its guests; a dry run returns the host unsaved.

    An ssh host key that nobody approved is Refused(code="host_key_unknown"); its `data` holds the fingerprint and the
    key, and the same call with `ssh_host_key=data["key"]` approves it.
    """
    principal.require("host.add", site.pk if site else None, what=name)
    values = host_fields.cleaned(
        {
            "name": name,
            "address": address,
            "transport": transport,
            "port": port,
            "username": username,
            "site": site,
            "migration_address": migration_address,
            "tags": tags,
            "ssh_host_key": ssh_host_key,
            **dict.fromkeys(host_fields.LIMITS),
            **limits,
        }
    )
    host_fields.refuse_known(values)
    found = probing.ask(host_fields.where(values))
    _refuse_known_machine(found, name=values["name"])
    host = Host(
        **values,
        **collect.host_columns(found.facts, found.pools),
        contact=Host.Contact.UP,
        last_seen_at=timezone.now(),
        version=1,
    )
    if dry_run:
        return host
    try:
        with transaction.atomic():
            host.save(force_insert=True)
            HostLease.objects.create(host=host)
            changes = _store_guests(host, found)
            audit.record(principal=principal, verb="host.add", subject=host, outcome="done", after=_described(host))
            changes.hosts.add(host.pk)
            collect.announce(changes)
    except IntegrityError:
        # Somebody added it while we asked; the database noticed. Say which.
        host_fields.refuse_known(values)
        _refuse_known_machine(found, name=values["name"])
        raise
    return Host.objects.select_related("site").get(pk=host.pk)


def change_host(*, principal: Principal, host: Host, **fields: Any) -> Host:
    """Change what an operator says about a host. A new way to reach it must lead to the same machine."""
    site = fields.get("site", host.site)
    principal.require("host.change", host.site_id, what=host.name)
    principal.require("host.change", site.pk if site else None, what=host.name)
    before = {field: getattr(host, field) for field in host_fields.FIELDS}
    values = host_fields.cleaned({**before, **fields})
    changed = {field: value for field, value in values.items() if value != before[field]}
    if not changed:
        return host
    host_fields.refuse_known(values, apart_from=host)
    found = None
    if set(changed) & set(host_fields.CONNECTION):
        found = probing.ask(host_fields.where(values))
        _refuse_other_machine(found, host)
    with transaction.atomic():
        if found:
            changed |= {"contact": Host.Contact.UP, "contact_text": "", "last_seen_at": timezone.now()}
        Host.objects.filter(pk=host.pk).update(version=F("version") + 1, updated_at=timezone.now(), **changed)
        host = Host.objects.select_related("site").get(pk=host.pk)
        changes = _store_guests(host, found) if found else sightings.Changes()
        changes.hosts.add(host.pk)
        audit.record(
            principal=principal,
            verb="host.change",
            subject=host,
            outcome="done",
            before=_plain({field: before[field] for field in changed if field in before}),
            after=_plain({field: values[field] for field in changed if field in values}),
        )
        collect.announce(changes)
    return host


def remove_host(*, principal: Principal, host: Host) -> None:
    """Forget a host and the guests that only it knew; nothing on the host itself is touched."""
    principal.require("host.remove", host.site_id, what=host.name)
    with transaction.atomic():
        # The lock keeps a migration to or from this host from being stored meanwhile.
        row = Host.objects.select_for_update(of=("self",)).select_related("site").filter(pk=host.pk).first()
        if row is None:
            raise Refused(f"'{host.name}' was removed already.", code="host_gone")
        job = unfinished_jobs(row).first()
        if job is not None:
            raise Busy(
                f"'{row.name}' cannot be removed while this job needs it: {job.title}.",
                job_id=str(job.pk),
                remedy="Wait for the job's end or cancel it.",
            )
        guests = list(
            Guest.objects.filter(Q(host=row) | Q(sightings__host=row)).distinct().values_list("pk", flat=True)
        )
        host_id, subject, before = row.pk, ("host", str(row.pk), row.name), _described(row)
        row.delete()
        gone = sightings.forget(guests)
        changes = sightings.settle_guests([guest for guest in guests if guest not in gone])
        audit.record(principal=principal, verb="host.remove", subject=subject, outcome="done", before=before)
        collect.announce(changes)
        _announce_gone(host_id, gone)


def unfinished_jobs(host: Host) -> Any:
    """Jobs under way that this host has a part in, whatever kind of work stands behind them."""
    part = Q(host=host) | Q(guest__host=host)
    # The fleet does not know the apps that move guests; their rows hang on a job one to one and point to hosts.
    for relation in Job._meta.related_objects:
        if relation.one_to_one:
            for field in relation.related_model._meta.get_fields():
                if field.many_to_one and field.related_model is Host:
                    part |= Q(**{f"{relation.name}__{field.name}": host})
    return Job.objects.unfinished().filter(part).distinct()


def _store_guests(host: Host, found: Probe) -> sightings.Changes:
    return sightings.store_guests(
        host_id=host.pk,
        glimpses=sightings.glimpses_of(found.guests),
        details={guest.uuid: guest for guest in found.guests},
    )


def _refuse_known_machine(found: Probe, *, name: str) -> None:
    other = Host.objects.filter(hardware_uuid=found.facts.uuid).first()
    if other is not None:
        raise host_fields.known(
            other,
            field="address",
            text=f"'{name}' is the same machine as the host '{other.name}' ({other.address}): "
            f"both have the UUID {found.facts.uuid}.",
        )


def _refuse_other_machine(found: Probe, host: Host) -> None:
    if UUID(found.facts.uuid) != host.hardware_uuid:
        raise Refused(
            f"Another machine answers there: its UUID is {found.facts.uuid}, that of '{host.name}' is "
            f"{host.hardware_uuid}.",
            code="other_machine",
            field="address",
            remedy="Check the address. If the machine was replaced, remove the host and add the new one.",
        )


def _described(host: Host) -> dict[str, Any]:
    return _plain({field: getattr(host, field) for field in host_fields.FIELDS}) | {"uuid": str(host.hardware_uuid)}


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {field: value.slug if isinstance(value, Site) else value for field, value in values.items()}


def _announce_gone(host_id: UUID, guests: Sequence[UUID]) -> None:
    live.gone("host", host_id)
    for guest_id in guests:
        live.gone("guest", guest_id)
