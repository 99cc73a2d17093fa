"""Ask for a running guest's disks to be moved to another pool of its host: refuse in words, or store the job."""

from __future__ import annotations

from dataclasses import replace

from django.db import IntegrityError, transaction
from django.db.models import F

from fleet.access import audit
from fleet.access.principal import Principal
from fleet.jobs import lifecycle, live
from fleet.jobs.progress import plan_steps
from fleet.models import Guest, Host, Job
from fleet.planning.estimate import Forecast, forecast
from fleet.refusals import Refused
from fleet.tasks import ring
from migrations_app import steps
from migrations_app.flows import policies, replays, situations
from migrations_app.flows.free import check_idle, check_single
from migrations_app.flows.wishes import Submission, Wish
from migrations_app.models import Migration
from migrations_app.options import Options
from migrations_app.preflight import Findings, same_host


def submit_storage(
    *,
    principal: Principal,
    guest: Guest,
    wish: Wish,
    idempotency_key: str = "",
    dry_run: bool = False,
) -> Submission:
    """Store a move of `guest`'s disks: those in the options' `disks`, or all that can go to `target_pool`.

    The destination, where one is named, can only be the guest's own host. Raises Forbidden, Busy and Refused.
    """
    host, options, destination = situations.place_of(guest), wish.options, wish.destination
    principal.require("migration.submit", host.site_id, what=guest.name)
    digest = _digest(guest, options)
    if idempotency_key and not dry_run and (earlier := _replay(principal, idempotency_key, digest, host)):
        return earlier
    if destination is not None and destination.pk != host.pk:
        raise Refused(
            f"{guest.name} is on {host.name}; a move of its disks alone stays there.",
            code="other_host",
            field="destination",
            remedy="Leave the destination out, or move the guest with mode 'auto'.",
        )
    check_idle(guest)
    check_single(guest)
    findings = check(guest, host, options)
    if not findings.allowed:
        raise _refusal(guest, findings)
    cost = _cost(findings, options)
    if dry_run:
        return _answer(None, host, findings, cost)
    try:
        with transaction.atomic():
            job = _store(principal, guest, host, wish, findings, cost, idempotency_key, digest)
    except IntegrityError:
        # Somebody was faster by a moment.
        if idempotency_key and (earlier := _replay(principal, idempotency_key, digest, host)):
            return earlier
        check_idle(guest)
        raise
    return _answer(job, host, findings, cost)


def check(guest: Guest, host: Host, options: Options) -> Findings:
    """All findings, from rows."""
    promised = situations.promised([host.pk]).get(host.pk, situations.NOTHING)
    return same_host.survey(replace(guest.guest_facts(), state=guest.state), situations.view(host, promised), options)


def _cost(findings: Findings, options: Options) -> Forecast:
    """Bytes over the host's own disks; nothing pauses."""
    total = sum(plan.disk.allocation_bytes for plan in findings.copies)
    return forecast(memory_mib=0, disk_bytes=total, link_mib_s=None, limit_mib_s=options.bandwidth_mib_s)


def _answer(job: Job | None, host: Host, findings: Findings, cost: Forecast) -> Submission:
    checks = [found.document() for found in findings.checks]
    return Submission(job=job, destination=host, storage=findings.storage, checks=checks, forecast=cost)


def _refusal(guest: Guest, findings: Findings) -> Refused:
    blocking = findings.blocking()
    return Refused(
        f"The disks of {guest.name} cannot move: {' '.join(found.message for found in blocking)}",
        code="checks_failed",
        remedy=" ".join(dict.fromkeys(found.remedy for found in blocking if found.remedy)),
        checks=[found.document() for found in findings.checks],
    )


def _store(
    principal: Principal,
    guest: Guest,
    host: Host,
    wish: Wish,
    findings: Findings,
    cost: Forecast,
    key: str,
    digest: str,
) -> Job:
    # Important: guest before host, the order in which the watchers lock; the guest's document names its job.
    if not Guest.objects.filter(pk=guest.pk, host=host).update(version=F("version") + 1):
        raise Refused(f"{guest.name} is not on {host.name} any more.", code="guest_moved", remedy="Look again.")
    places = ", ".join(f"{plan.disk.target} to pool {plan.pool}" for plan in findings.copies)
    job = Job.objects.create(
        kind=Job.Kind.MIGRATION,
        guest=guest,
        host=host,
        origin=host,
        subject_name=guest.name,
        title=f"Move {places} for {guest.name} on {host.name}"[:300],
        parent=wish.parent,
        retry_of=wish.retry_of,
        requested_by=principal.user,
        idempotency_key=key,
        request_digest=digest,
        progress={"forecast": cost.document()},
    )
    ring(job.pk)
    plan_steps(job, steps.of(Migration.Mode.STORAGE, ""))
    Migration.objects.create(
        job=job,
        guest=guest,
        source=host,
        destination=host,
        guest_uuid=guest.uuid,
        source_name=host.name,
        destination_name=host.name,
        mode=Migration.Mode.STORAGE,
        storage=Migration.Storage.COPY,
        options=wish.options.document(),
        terms=policies.resolve(guest, host, wish.options).document(),
        wish=wish.document(),
        not_before=wish.not_before,
        pool_bytes=situations.pool_bytes(findings),
        # It is counted where it runs already.
        memory_mib=0,
    )
    lifecycle.record(job.pk, code="submitted", message=f"{principal.name} asked to move {places}")
    audit.record(
        principal=principal,
        verb="migration.submit",
        subject=guest,
        outcome="accepted",
        before={plan.disk.target: plan.disk.source for plan in findings.copies},
        after={"host": host.name, "mode": "storage", "options": wish.options.document()},
        job=job,
    )
    live.job_changed(job.pk, with_guest=True)
    return job


def _digest(guest: Guest, options: Options) -> str:
    return replays.digest([str(guest.pk), Migration.Mode.STORAGE, options.document()])


def _replay(principal: Principal, key: str, digest: str, host: Host) -> Submission | None:
    job = replays.earlier_job(principal, key, digest)
    if job is None:
        return None
    return Submission(job=job, destination=host, storage=Migration.Storage.COPY, checks=[], replayed=True)
