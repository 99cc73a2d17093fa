"""Before the first byte moves: check against the hosts themselves, and make thin volumes for the copies."""

from __future__ import annotations

import re
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from fleet.hypervisor import destination_xml
from fleet.hypervisor.errors import GuestNotFound, HypervisorError, VolumeExists
from fleet.hypervisor.facts import GuestFacts, HostLoad, PoolFacts
from fleet.hypervisor.interface import CpuVerdict, MigrationOrder
from fleet.refusals import Refused
from fleet.states import GuestState
from migrations_app.flows import folders, situations
from migrations_app.flows.errand import Errand
from migrations_app.models import Migration
from migrations_app.preflight import Findings, Situation, survey
from migrations_app.preflight.situation import DiskAction, DiskPlan
from migrations_app.terms import Encryption

#: Names tried for a copy before giving up: the disk's own, then with the job's number.
_ATTEMPTS = 3
_JOB_NUMBERS = re.compile(r"(\.[0-9a-f]{8}-\d)+$")


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """What the destination says."""

    load: HostLoad
    pools: tuple[PoolFacts, ...]
    #: The state of a guest of this UUID that is there already, else "".
    leftover: str
    #: About the CPU that the guest's row tells, while the source is still being asked for the real one.
    cpu: CpuVerdict | None
    cpu_asked: dict[str, str]


@dataclass(frozen=True, slots=True)
class Asking:
    """Both hosts on their way to an answer."""

    here: Future[tuple[GuestFacts, tuple[PoolFacts, ...]]]
    there: Future[Reply]


def ask(errand: Errand) -> Asking:
    """Ask both hosts side by side; neither touches the database nor changes anything there."""
    pool = ThreadPoolExecutor(max_workers=2, thread_name_prefix="check")
    asking = Asking(here=pool.submit(_ask_source, errand), there=pool.submit(_ask_destination, errand))
    pool.shutdown(wait=False)
    return asking


def check(errand: Errand, asking: Asking) -> tuple[GuestFacts, Findings]:
    """The same checks as at the start, on what the hosts say now; raises Refused or HypervisorError."""
    guest, pools_here = asking.here.result()
    there = asking.there.result()
    if there.leftover in {GuestState.RUNNING, GuestState.PAUSED}:
        raise Refused(
            f"{errand.name} is {there.leftover} on {errand.destination_row.name} already.",
            code="already_there",
            remedy="Find out which copy is the right one before anything else; do not start either.",
        )
    verdict = there.cpu if there.cpu_asked == _cpu_of(guest) else errand.destination.compare_cpu(**_cpu_of(guest))
    source = situations.view(errand.source_row)
    destination_row = errand.destination_row
    reserved = situations.reserved_mib([destination_row.pk], without=errand.migration.pk).get(destination_row.pk, 0)
    destination = situations.view(destination_row, reserved)
    situation = Situation(
        guest=guest,
        source=replace(source, pools=pools_here),
        destination=replace(destination, pools=there.pools, memory_free_mib=there.load.memory_free_mib),
        options=errand.options,
        storage=errand.migration.storage,
        cpu_verdict=verdict,
    )
    findings = survey(folders.settled(errand, situation))
    if not findings.allowed:
        blocking = findings.blocking()
        raise Refused(
            " ".join(found.message for found in blocking),
            code=blocking[0].code,
            remedy=" ".join(found.remedy for found in blocking if found.remedy),
            checks=[found.document() for found in findings.checks],
        )
    return guest, findings


def _ask_source(errand: Errand) -> tuple[GuestFacts, tuple[PoolFacts, ...]]:
    guest = errand.source.guest(errand.uuid)
    if guest is None:
        raise GuestNotFound(f"{errand.name} is not on {errand.source_row.name} any more", host=errand.source_row.name)
    return guest, errand.source_row.pool_facts()


def _ask_destination(errand: Errand) -> Reply:
    host = errand.destination
    copying = errand.migration.storage != Migration.Storage.NONE
    pools = host.pools() if copying else errand.destination_row.pool_facts()
    known = errand.destination_row.pools
    markers = {pool["name"]: tuple(pool.get("markers", ())) for pool in known}
    glimpse = host.glimpse(errand.uuid)
    fresh = tuple(replace(pool, markers=pool.markers or markers.get(pool.name, ())) for pool in pools)
    row = errand.migration.guest
    cpu = _cpu_of(row.guest_facts()) if row and row.facts else {}
    return Reply(
        load=host.load(),
        pools=fresh,
        leftover=glimpse.state if glimpse else "",
        cpu=host.compare_cpu(**cpu) if cpu else None,
        cpu_asked=cpu,
    )


def _cpu_of(guest: GuestFacts) -> dict[str, str]:
    """What the destination has to know to judge a guest's CPU."""
    return {
        "cpu_xml": guest.cpu_xml,
        "domain_type": guest.domain_type,
        "arch": guest.arch,
        "machine": guest.machine,
    }


def make_volumes(errand: Errand, findings: Findings) -> dict[str, str]:
    """A thin volume at the destination for each copied disk: {disk target: path}.

    What is about to be made is written down first, so that a worker that takes over knows what to remove.
    """
    return {plan.disk.target: _make(errand, plan) for plan in findings.copies}


def _make(errand: Errand, plan: DiskPlan) -> str:
    path = PurePosixPath(plan.path)
    # A guest that goes to and fro must not gather the numbers of all its jobs.
    stem = _JOB_NUMBERS.sub("", path.stem)
    for attempt in range(_ATTEMPTS):
        name = path.name if attempt == 0 else f"{stem}.{str(errand.migration.pk)[:8]}-{attempt}{path.suffix}"
        wanted = str(path.with_name(name))
        if errand.destination.volume(wanted) is not None:
            continue
        _write_down(errand, plan, wanted)
        try:
            made = errand.destination.create_volume(
                pool=plan.pool, name=name, capacity_bytes=plan.disk.capacity_bytes, format=plan.disk.format
            )
        except VolumeExists:
            # It appeared between the look and the making, so it is not ours: forget it, never remove it.
            _cross_out(errand, wanted)
            continue
        return made.path
    raise Refused(
        f"{plan.path} and two other names are taken on {errand.destination_row.name}.",
        code="volume_exists",
        remedy="Remove what is left of earlier migrations there.",
    )


def _write_down(errand: Errand, plan: DiskPlan, path: str) -> None:
    artefact = {"path": path, "pool": plan.pool, "target": plan.disk.target, "source": plan.disk.source}
    errand.migration.artefacts = [*errand.migration.artefacts, artefact]
    Migration.objects.filter(pk=errand.migration.pk).update(artefacts=errand.migration.artefacts)


def _cross_out(errand: Errand, path: str) -> None:
    errand.migration.artefacts = [one for one in errand.migration.artefacts if one["path"] != path]
    Migration.objects.filter(pk=errand.migration.pk).update(artefacts=errand.migration.artefacts)


def order(errand: Errand, findings: Findings, paths: dict[str, str]) -> MigrationOrder:
    """What libvirt is asked to do."""
    options, terms = errand.options, errand.terms
    moved = {plan.disk.target: paths[plan.disk.target] for plan in findings.copies if _moved(plan, paths)}
    live = persistent = ""
    if moved or options.target_network:
        live, persistent = (
            destination_xml.rewrite(
                errand.source.migration_xml(errand.uuid, persistent=kept),
                disk_sources=moved,
                network=options.target_network,
            )
            for kept in (False, True)
        )
    return MigrationOrder(
        destination=errand.destination_row.where(),
        copy_disks=tuple(plan.disk.target for plan in findings.copies),
        destination_xml=live,
        persistent_xml=persistent,
        bandwidth_mib_s=terms.bandwidth_mib_s,
        max_downtime_ms=terms.max_pause_ms,
        auto_converge=terms.may_throttle,
        post_copy=terms.may_post_copy,
        parallel_connections=terms.parallel if terms.parallel > 1 else 0,
        compression=terms.compression,
        tls=terms.encryption is not Encryption.OFF,
        proven_shared=any(plan.action is DiskAction.SHARED for plan in findings.disks),
        undefine_source=options.undefine_source,
    )


def _moved(plan: DiskPlan, paths: dict[str, str]) -> bool:
    return paths[plan.disk.target] != plan.disk.source


def remove_volumes(errand: Errand) -> list[str]:
    """Remove what this job made at the destination, unless a guest there uses it; returns what was left behind."""
    if not errand.migration.artefacts:
        return []
    used = {disk.source for guest in errand.destination.guests() for disk in guest.disks}
    # A worker that slept while another began afresh would remove what that one is filling now.
    errand.pen.prove()
    left: list[str] = []
    for artefact in errand.migration.artefacts:
        if artefact["path"] in used:
            left.append(artefact["path"])
            continue
        try:
            errand.destination.delete_volume(artefact["path"])
        except HypervisorError:
            left.append(artefact["path"])
    errand.migration.artefacts = [one for one in errand.migration.artefacts if one["path"] in left]
    Migration.objects.filter(pk=errand.migration.pk).update(artefacts=errand.migration.artefacts)
    return left
