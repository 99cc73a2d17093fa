"""Ask for a migration: refuse in words, or store job and migration together and ring the bell once."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F

from fleet.access import audit
from fleet.access.principal import Principal
from fleet.jobs import lifecycle, live
from fleet.jobs.progress import plan_steps
from fleet.models import Guest, Host, Job
from fleet.planning.estimate import Forecast
from fleet.refusals import Busy, Refused
from fleet.tasks import ring
from migrations_app import map_rules, steps, terms, xml_difference
from migrations_app.flows import situations
from migrations_app.flows.destinations import Destination, destinations
from migrations_app.models import Migration
from migrations_app.modes import MODES, STORAGES
from migrations_app.options import Options
from migrations_app.preflight import Findings


@dataclass(frozen=True, kw_only=True, slots=True)
class Submission:
    """What came of the wish; `job` is None on a dry run, `replayed` when the same key was used before."""

    job: Job | None
    destination: Host
    storage: str
    #: The map that holds, by name; "": none.
    map: str = ""
    checks: list[dict[str, Any]]
    forecast: Forecast | None = None
    #: What changes in the guest's definition, as lines of a diff.
    xml_difference: list[str] = field(default_factory=list)
    replayed: bool = False


def submit(
    *,
    principal: Principal,
    guest: Guest,
    destination: Host | None = None,
    mode: str = "auto",
    storage: str = "auto",
    options: Options | None = None,
    idempotency_key: str = "",
    expected_host: Host | None = None,
    dry_run: bool = False,
) -> Submission:
    """Store a migration of `guest`, to the best host where none is named.

    `expected_host` is where the asker saw the guest (a form may be stale). Raises Forbidden, Busy (with the
    running job) and Refused (with the failed checks); nothing is stored then.
    """
    options = options or Options()
    source = situations.place_of(guest)
    principal.require("migration.submit", source.site_id, what=guest.name)
    if destination is not None:
        principal.require("migration.submit", destination.site_id, what=destination.name)
    _check_words(mode, storage)
    digest = _digest(guest, destination, mode, storage, options)
    if idempotency_key and not dry_run and (earlier := _replay(principal, idempotency_key, digest)):
        return earlier
    _check_place(guest, source, expected_host)
    _check_idle(guest)
    _check_single(guest)
    chosen = _choose(principal, guest, destination, mode, storage, options)
    if not chosen.allowed:
        raise _refusal(guest, chosen)
    if dry_run:
        return _answer(None, chosen, xml_difference.planned(guest.guest_facts().xml, chosen.findings))
    try:
        with transaction.atomic():
            job = _store(principal, guest, source, chosen, storage, options, idempotency_key, digest)
    except (IntegrityError, Busy):
        # Somebody was faster by a moment: the same request sent twice, or another job on the guest.
        if idempotency_key and (earlier := _replay(principal, idempotency_key, digest)):
            return earlier
        _check_idle(guest)
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


def _check_idle(guest: Guest) -> None:
    running = Job.objects.unfinished().filter(guest=guest).first()
    if running is not None:
        raise Busy(
            f"{guest.name} is busy: {running.title} ({running.state}).",
            job_id=str(running.pk),
            remedy="Wait for that job, or cancel it.",
        )


def _check_single(guest: Guest) -> None:
    if guest.runs_twice_on:
        raise Refused(
            f"{guest.name} runs twice, on {' and '.join(guest.runs_twice_on)}.",
            code="runs_twice",
            remedy="Find out which copy is right and stop the other; then it can be moved again.",
        )


def _choose(
    principal: Principal, guest: Guest, destination: Host | None, mode: str, storage: str, options: Options
) -> Destination:
    found = destinations(guest=guest, mode=mode, storage=storage, options=options, only=destination)
    if destination is not None:
        return found[0] if found else _refuse_same(guest, destination)
    if guest.pinned:
        raise Refused(
            f"{guest.name} is pinned to its host.",
            code="guest_pinned",
            remedy="Name the destination yourself, or unpin the guest.",
        )
    reachable = [one for one in found if principal.allows("migration.submit", one.host.site_id)]
    if not reachable:
        raise Refused("There is no other host to move to.", code="no_destination", remedy="Add a host first.")
    if not reachable[0].allowed:
        raise Refused(
            f"No host can take {guest.name} now.",
            code="no_destination",
            remedy="See the reasons for each host.",
            checks=[check.document() for one in reachable for check in one.findings.blocking()],
        )
    return reachable[0]


def _refuse_same(guest: Guest, destination: Host) -> Destination:
    raise Refused(
        f"{guest.name} is on {destination.name} already.",
        code="same_host",
        field="destination",
        remedy="Choose another host.",
    )


def _refusal(guest: Guest, chosen: Destination) -> Refused:
    blocking = chosen.findings.blocking()
    return Refused(
        f"{guest.name} cannot move to {chosen.host.name}: {' '.join(check.message for check in blocking)}",
        code="checks_failed",
        remedy=" ".join(dict.fromkeys(check.remedy for check in blocking if check.remedy)),
        checks=chosen.checks,
    )


def _store(
    principal: Principal,
    guest: Guest,
    source: Host,
    chosen: Destination,
    storage: str,
    options: Options,
    key: str,
    digest: str,
) -> Job:
    # Important: guest before host, the order in which the watchers lock; the guest's document names its job.
    still_there = Guest.objects.filter(pk=guest.pk, host=source)
    if not still_there.update(version=F("version") + 1):
        raise _moved(guest, source)
    _check_idle(guest)
    _promise_memory(guest, source, chosen, storage, options)
    job = Job.objects.create(
        kind=Job.Kind.MIGRATION,
        guest=guest,
        host=chosen.host,
        origin=source,
        subject_name=guest.name,
        title=f"Move {guest.name} from {source.name} to {chosen.host.name}",
        requested_by=principal.user,
        idempotency_key=key,
        request_digest=digest,
        progress={"forecast": chosen.forecast.document()},
    )
    # First of all that follows the commit: pages can be told while a worker begins.
    ring(job.pk)
    plan_steps(job, steps.of(chosen.mode, options.route))
    Migration.objects.create(
        job=job,
        guest=guest,
        source=source,
        destination=chosen.host,
        guest_uuid=guest.uuid,
        source_name=source.name,
        destination_name=chosen.host.name,
        mode=chosen.mode,
        route=options.route or Migration.Route.DIRECT,
        # What was decided, not the wish: a fact that changes meanwhile makes the worker refuse, not copy unasked.
        storage=chosen.storage,
        options=options.document(),
        terms=terms.resolve(options, terms.Terms()).document(),
        map_rules=map_rules.kept(chosen.rules) if chosen.rules.name else {},
        memory_mib=guest.memory_mib,
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
            "options": options.document(),
        },
        job=job,
    )
    live.job_changed(job.pk, with_guest=True)
    return job


def _promise_memory(guest: Guest, source: Host, chosen: Destination, storage: str, options: Options) -> None:
    """Check the room once more under the destination's row lock, so that two wishes cannot share the same memory."""
    locked = Host.objects.select_for_update(no_key=True).get(pk=chosen.host.pk)
    reserved = situations.reserved_mib([locked.pk]).get(locked.pk, 0)
    locked.site = chosen.host.site
    findings: Findings = situations.check(
        guest=guest,
        source=source,
        destination=locked,
        mode=chosen.mode,
        storage=storage,
        options=options,
        reserved=reserved,
        rules=chosen.rules,
    )
    if not findings.allowed:
        raise _refusal(guest, replace(chosen, host=locked, findings=findings))


def _digest(guest: Guest, destination: Host | None, mode: str, storage: str, options: Options) -> str:
    wish = [str(guest.pk), str(destination.pk) if destination else None, mode, storage, options.document()]
    return hashlib.sha256(json.dumps(wish, sort_keys=True).encode()).hexdigest()


def _replay(principal: Principal, key: str, digest: str) -> Submission | None:
    job = Job.objects.filter(requested_by=principal.user, idempotency_key=key).first()
    if job is None:
        return None
    if job.request_digest != digest:
        raise Refused(
            "This Idempotency-Key was used for another request.",
            code="idempotency_key_reused",
            remedy="Use a new key for a new request.",
        )
    migration = Migration.objects.select_related("destination").get(job=job)
    assert migration.destination is not None  # noqa: S101 - a stored wish names its destination
    return Submission(job=job, destination=migration.destination, storage=migration.storage, checks=[], replayed=True)
