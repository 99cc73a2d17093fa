"""A move once more: because a person asks for it, or on another host when that was agreed and the guest never left."""

from __future__ import annotations

from typing import Any

from fleet.access.principal import Principal
from fleet.jobs import lifecycle
from fleet.models import Host, Job, JobEvent
from fleet.refusals import NotNow, Refused
from fleet.states import JobState
from migrations_app.flows.submit import submit
from migrations_app.flows.wishes import Wish
from migrations_app.models import Migration
from migrations_app.options import parse

RETRIABLE = frozenset({JobState.FAILED, JobState.CANCELLED})
#: What another host would not change: Drover's own fault.
_NOT_THE_HOSTS_FAULT = frozenset({"internal_error"})


def retry(*, principal: Principal, job: Job) -> Job:
    """The same wish again as a new job, whatever host the guest is on by now; raises as `submit` does, and NotNow."""
    if JobState(job.state) not in RETRIABLE:
        remedy = "Only a move that failed or was cancelled is tried again."
        raise NotNow(f"The job is {job.state}.", code="not_retriable", remedy=remedy)
    migration = _migration(job)
    new = _again(principal, migration, Wish(**_wished(migration), retry_of=job))
    lifecycle.record(job.pk, code="tried.again", message=f"{principal.name} tries again: {new.title}", data=_link(new))
    return new


def elsewhere(job: Job) -> Job | None:
    """Another host's turn, if the options allow it and the guest is proven to run at its source; None otherwise.

    Only for a wish that named no host: who named one gets that one or none.
    """
    migration = Migration.objects.select_related("guest", "job__requested_by", "job__parent").get(job=job)
    if not _may_go_elsewhere(migration):
        return None
    tries = _tries(migration)
    if len(tries) > parse(migration.options).retry_elsewhere:
        return None
    by = migration.job.requested_by
    principal = Principal.of_user(by, door="worker") if by else Principal.system()
    avoid = frozenset(one.destination_id for one in tries if one.destination_id)
    wish = Wish(**_wished(migration), avoid=avoid, retry_of=job, parent=migration.job.parent)
    try:
        new = _again(principal, migration, wish)
    except Refused as refusal:
        text = f"No other host was tried: {refusal.text}"
        lifecycle.record(job.pk, code="not.elsewhere", message=text, level=JobEvent.Level.WARNING)
        return None
    lifecycle.record(job.pk, code="tried.elsewhere", message=f"Another host is tried: {new.title}", data=_link(new))
    return new


def _may_go_elsewhere(migration: Migration) -> bool:
    error = migration.job.error or {}
    proven_at_source = error.get("guest_is_on") == migration.source_name
    return (
        migration.job.state == JobState.FAILED
        and proven_at_source
        and error.get("code") not in _NOT_THE_HOSTS_FAULT
        and bool(migration.wish)
        and migration.wish["destination"] is None
        and migration.guest is not None
    )


def _tries(migration: Migration) -> list[Migration]:
    """This one and those that it did once more; there are as few as the options allow."""
    found, job = [migration], migration.job
    while job.retry_of_id is not None:
        before = Migration.objects.select_related("job").filter(pk=job.retry_of_id).first()
        if before is None:
            break
        found.append(before)
        job = before.job
    return found


def _migration(job: Job) -> Migration:
    migration = Migration.objects.select_related("guest", "job").filter(job=job).first()
    if migration is None or migration.guest is None:
        raise Refused(f"{job.subject_name} is gone.", code="guest_gone", remedy="There is nothing left to move.")
    return migration


def _wished(migration: Migration) -> dict[str, Any]:
    """The words of the old wish; a job of an older Drover kept only what was decided."""
    words = migration.wish or {"destination": migration.destination_id, "mode": "auto", "storage": "auto"}
    return {
        "destination": _host(words["destination"]) if words["destination"] else None,
        "mode": words["mode"],
        "storage": words["storage"],
        "options": parse(migration.options),
    }


def _host(host_id: str) -> Host:
    host = Host.objects.select_related("site").filter(pk=host_id).first()
    if host is None:
        raise Refused("The host it was to go to is gone.", code="host_gone", remedy="Choose another destination.")
    return host


def _again(principal: Principal, migration: Migration, wish: Wish) -> Job:
    assert migration.guest is not None  # noqa: S101 - looked at by the callers
    job = submit(principal=principal, guest=migration.guest, wish=wish).job
    assert job is not None  # noqa: S101 - only dry runs have none
    return job


def _link(job: Job) -> dict[str, str]:
    return {"job": str(job.pk)}
