"""Ask for a migration: refuse in words, or store job and migration together and ring the bell once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F

from fleet.access import audit
from fleet.access.principal import Principal
from fleet.jobs import lifecycle, live
from fleet.jobs.progress import plan_steps
from fleet.models import Guest, Host, Job
from fleet.refusals import Busy, Refused
from fleet.tasks import ring
from migrations_app import map_rules, steps, xml_difference
from migrations_app.flows import choosing, policies, replays, situations
from migrations_app.flows.destinations import Destination
from migrations_app.flows.free import check_idle, check_single
from migrations_app.flows.submit_storage import submit_storage
from migrations_app.flows.wishes import Submission, Wish
from migrations_app.models import Migration
from migrations_app.modes import MODES, STORAGES
from migrations_app.preflight import Findings


def submit(
    *,
    principal: Principal,
    guest: Guest,
    idempotency_key: str = "",
    expected_host: Host | None = None,
    dry_run: bool = False,
    wish: Wish | None = None,
    **words: Any,
) -> Submission:
    """Store a migration of `guest` as `wish` (or its fields as keywords) says, to the best host where none is named.

    `expected_host` is where the asker saw the guest (a form may be stale). Raises Forbidden, Busy (with the
    running job) and Refused (with the failed checks); nothing is stored then.
    """
    wish = wish or Wish.of(words)
    if wish.mode == Migration.Mode.STORAGE:
        return submit_storage(
            principal=principal, guest=guest, wish=wish, idempotency_key=idempotency_key, dry_run=dry_run
        )
    source = situations.place_of(guest)
    principal.require("migration.submit", source.site_id, what=guest.name)
    if wish.destination is not None:
        principal.require("migration.submit", wish.destination.site_id, what=wish.destination.name)
    _check_words(wish.mode, wish.storage)
    digest = _digest(guest, wish)
    if idempotency_key and not dry_run and (earlier := _replay(principal, idempotency_key, digest)):
        return earlier
    _check_place(guest, source, expected_host)
    check_idle(guest)
    check_single(guest)
    chosen = choosing.choose(
        principal=principal,
        guest=guest,
        destination=wish.destination,
        mode=wish.mode,
        storage=wish.storage,
        options=wish.options,
        avoid=wish.avoid,
    )
    if not chosen.allowed:
        raise choosing.refusal(guest, chosen)
    if dry_run:
        return _answer(None, chosen, xml_difference.planned(guest.guest_facts().xml, chosen.findings))
    try:
        with transaction.atomic():
            job = _store(principal, guest, source, chosen, wish, idempotency_key, digest)
    except (IntegrityError, Busy):
        # Somebody was faster by a moment: the same request sent twice, or another job on the guest.
        if idempotency_key and (earlier := _replay(principal, idempotency_key, digest)):
            return earlier
        check_idle(guest)
        raise
    return _answer(job, chosen)


def _answer(job: Job | None, chosen: Destination, difference: list[str] | None = None) -> Submission:
    return Submission(
        job=job,
        destination=chosen.host,
        storage=chosen.storage,
        map=chosen.rules.name,
        checks=chosen.checks,
        forecast=chosen.forecast,
        xml_difference=difference or [],
    )


def _check_words(mode: str, storage: str) -> None:
    if mode not in MODES:
        remedy = f"Use one of: {', '.join(MODES)}."
        raise Refused(f"The mode '{mode}' is not offered.", code="mode_not_offered", field="mode", remedy=remedy)
    if storage not in STORAGES:
        remedy = f"Use one of: {', '.join(STORAGES)}."
        raise Refused(
            f"The storage strategy '{storage}' is not offered.",
            code="storage_not_offered",
            field="storage",
            remedy=remedy,
        )


def _check_place(guest: Guest, source: Host, expected: Host | None) -> None:
    if expected is not None and expected.pk != source.pk:
        raise _moved(guest, expected, f"{guest.name} is on {source.name} now, not on {expected.name} any more.")


def _moved(guest: Guest, expected: Host, text: str = "") -> Refused:
    return Refused(
        text or f"{guest.name} is not on {expected.name} any more.",
        code="guest_moved",
        remedy="Look at the destinations again; they were worked out for an older state.",
    )


def _store(
    principal: Principal,
    guest: Guest,
    source: Host,
    chosen: Destination,
    wish: Wish,
    key: str,
    digest: str,
) -> Job:
    # Important: guest before host, the order in which the watchers lock; the guest's document names its job.
    still_there = Guest.objects.filter(pk=guest.pk, host=source)
    if not still_there.update(version=F("version") + 1):
        raise _moved(guest, source)
    check_idle(guest)
    findings = _promise_room(guest, source, chosen, wish)
    job = Job.objects.create(
        kind=Job.Kind.MIGRATION,
        guest=guest,
        host=chosen.host,
        origin=source,
        subject_name=guest.name,
        title=f"Move {guest.name} from {source.name} to {chosen.host.name}",
        parent=wish.parent,
        retry_of=wish.retry_of,
        requested_by=principal.user,
        idempotency_key=key,
        request_digest=digest,
        progress={"forecast": chosen.forecast.document()},
    )
    # First of all that follows the commit: pages can be told while a worker begins.
    ring(job.pk)
    plan_steps(job, steps.of(chosen.mode, wish.options.route))
    Migration.objects.create(
        job=job,
        guest=guest,
        source=source,
        destination=chosen.host,
        guest_uuid=guest.uuid,
        source_name=source.name,
        destination_name=chosen.host.name,
        mode=chosen.mode,
        route=wish.options.route or Migration.Route.DIRECT,
        # What was decided, not the wish: a fact that changes meanwhile makes the worker refuse, not copy unasked.
        storage=chosen.storage,
        options=wish.options.document(),
        terms=policies.resolve(guest, source, wish.options).document(),
        map_rules=map_rules.kept(chosen.rules) if chosen.rules.name else {},
        wish=wish.document(),
        not_before=wish.not_before,
        memory_mib=guest.memory_mib,
        pool_bytes=situations.pool_bytes(findings),
    )
    by = principal.user.get_username() if principal.user else "Drover"
    lifecycle.record(job.pk, code="submitted", message=f"{by} asked to move {guest.name} to {chosen.host.name}")
    audit.record(
        principal=principal,
        verb="migration.submit",
        subject=guest,
        outcome="accepted",
        before={"host": source.name},
        after={
            "host": chosen.host.name,
            "mode": chosen.mode,
            "storage": chosen.storage,
            "map": chosen.rules.name,
            "options": wish.options.document(),
        },
        job=job,
    )
    live.job_changed(job.pk, with_guest=True)
    return job


def _promise_room(guest: Guest, source: Host, chosen: Destination, wish: Wish) -> Findings:
    """Check the room once more under the destination's row lock, so that two wishes cannot share the same place."""
    locked = Host.objects.select_for_update(no_key=True).get(pk=chosen.host.pk)
    promised = situations.promised([locked.pk]).get(locked.pk, situations.NOTHING)
    locked.site = chosen.host.site
    findings: Findings = situations.check(
        guest=guest,
        source=source,
        destination=locked,
        mode=chosen.mode,
        storage=wish.storage,
        options=wish.options,
        promised=promised,
        rules=chosen.rules,
    )
    if not findings.allowed:
        raise choosing.refusal(guest, replace(chosen, host=locked, findings=findings))
    return findings


def _digest(guest: Guest, wish: Wish) -> str:
    words = wish.document()
    later = {"not_before": words["not_before"]} if wish.not_before else {}
    return replays.digest(
        [str(guest.pk), words["destination"], wish.mode, wish.storage, wish.options.document(), later]
    )


def _replay(principal: Principal, key: str, digest: str) -> Submission | None:
    job = replays.earlier_job(principal, key, digest)
    if job is None:
        return None
    migration = Migration.objects.select_related("destination").get(job=job)
    assert migration.destination is not None  # noqa: S101 - a stored wish names its destination
    return Submission(job=job, destination=migration.destination, storage=migration.storage, checks=[], replayed=True)
