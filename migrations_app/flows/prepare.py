"""Before the first byte moves: check against the hosts themselves, and make thin volumes for the copies."""

from __future__ import annotations

import re
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

from fleet.hypervisor.errors import GuestNotFound, HypervisorError, VolumeExists
from fleet.hypervisor.facts import DiskFacts, GuestFacts, HostLoad, PoolFacts
from fleet.hypervisor.interface import CpuVerdict, Hypervisor, MigrationOrder
from fleet.refusals import Refused
from fleet.states import GuestState
from migrations_app import bearings, map_rules, modes, xml_difference
from migrations_app.flows import folders, media, share, situations
from migrations_app.flows.errand import Errand
from migrations_app.models import Migration, QuarantinedDisk
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
    _refuse_leftover(errand, there.leftover)
    verdict = there.cpu if there.cpu_asked == _cpu_of(guest) else errand.destination.compare_cpu(**_cpu_of(guest))
    source = situations.view(errand.source_row)
    destination_row = errand.destination_row
    others = situations.promised([destination_row.pk], without=errand.migration.pk)
    promised = others.get(destination_row.pk, situations.NOTHING)
    destination = situations.view(destination_row, promised)
    situation = Situation(
        guest=guest,
        source=replace(source, pools=pools_here),
        destination=replace(destination, pools=there.pools, memory_free_mib=there.load.memory_free_mib),
        options=errand.options,
        mode=errand.migration.mode,
        storage=errand.migration.storage,
        map=map_rules.load(errand.migration.map_rules),
        cpu_verdict=verdict,
        disks_read=True,
    )
    situation = folders.settled(errand, situation)
    free = situations.left(situation.destination.pools, promised)
    situation = replace(situation, destination=replace(situation.destination, pools=free))
    findings = survey(replace(situation, media_there=media.present(errand, situation)))
    if not findings.allowed:
        blocking = findings.blocking()
        raise Refused(
            " ".join(found.message for found in blocking),
            code=blocking[0].code,
            remedy=" ".join(found.remedy for found in blocking if found.remedy),
            checks=[found.document() for found in findings.checks],
        )
    return guest, findings


def _refuse_leftover(errand: Errand, state: str) -> None:
    there = errand.destination_row.name
    if state in {GuestState.RUNNING, GuestState.PAUSED}:
        raise Refused(
            f"{errand.name} is {state} on {there} already.",
            code="already_there",
            remedy="Find out which copy is the right one before anything else; do not start either.",
        )
    if state and errand.cold:
        # Afterwards nobody could tell the old definition from the one that arrived.
        raise Refused(
            f"{errand.name} is defined on {there} already.",
            code="already_there",
            remedy=f"If that definition is of no use any more, remove it there: virsh undefine {errand.name}",
        )


def _ask_source(errand: Errand) -> tuple[GuestFacts, tuple[PoolFacts, ...]]:
    guest = errand.source.guest(errand.uuid)
    if guest is None:
        raise GuestNotFound(f"{errand.name} is not on {errand.source_row.name} any more", host=errand.source_row.name)
    if guest.state in modes.OFF:
        guest = replace(guest, disks=tuple(_with_header(errand.source, disk) for disk in guest.disks))
    return guest, errand.source_row.pool_facts()


def _with_header(host: Hypervisor, disk: DiskFacts) -> DiskFacts:
    """The disk with the files under it, as the headers of a guest's disks that is off tell."""
    if disk.kind != "file" or disk.format != "qcow2" or not disk.source:
        return disk
    chain: list[str] = []
    volume = host.volume(disk.source)
    while volume is not None and volume.backing and volume.backing not in chain:
        chain.append(volume.backing)
        volume = host.volume(volume.backing)
    backing, *deeper = chain or [""]
    return replace(disk, backing=backing, deeper=tuple(deeper))


def _ask_destination(errand: Errand) -> Reply:
    host = errand.destination
    copying = errand.migration.storage != Migration.Storage.NONE or errand.options.media == "copy"
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
    return {plan.disk.target: _make_for(errand, plan) for plan in findings.copies}


def _make_for(errand: Errand, plan: DiskPlan) -> str:
    disk = plan.disk
    form = _format_of_backing(errand, disk) if plan.incremental else ""
    return make(
        errand,
        plan,
        capacity_bytes=disk.capacity_bytes or _capacity_bytes(errand, disk),
        format=disk.format,
        backing=disk.backing if plan.incremental else "",
        backing_format=form,
    )


def _capacity_bytes(errand: Errand, disk: DiskFacts) -> int:
    """A guest that was busy when it was asked told no sizes; its pool knows them too."""
    volume = errand.source.volume(disk.source)
    if volume is None or not volume.capacity_bytes:
        raise Refused(
            f"{errand.source_row.name} does not tell how big {disk.target} ({disk.source}) is.",
            code="size_unknown",
            remedy="Try again, or define a pool over its folder there.",
        )
    return volume.capacity_bytes


def _format_of_backing(errand: Errand, disk: DiskFacts) -> str:
    """Asked for at the destination, which must have the file too, and never guessed from its content."""
    volume = errand.destination.volume(disk.backing)
    if volume is None:
        raise Refused(
            f"{errand.destination_row.name} does not find {disk.backing}, over which {disk.target} lies.",
            code="backing_stays",
            remedy="Refresh the pool there, or choose storage 'copy'.",
        )
    return volume.format


def make(errand: Errand, plan: DiskPlan, *, source: str | None = None, **volume: Any) -> str:
    """A new volume for a disk under the planned name or one of the job's own; returns its path.

    `source` is what it is a copy of, as clean-up shall know it; the disk's file unless it is said otherwise.
    """
    path = PurePosixPath(plan.path)
    # A guest that goes to and fro must not gather the numbers of all its jobs.
    stem = _JOB_NUMBERS.sub("", path.stem)
    for attempt in range(_ATTEMPTS):
        name = path.name if attempt == 0 else f"{stem}.{str(errand.migration.pk)[:8]}-{attempt}{path.suffix}"
        wanted = str(path.with_name(name))
        if errand.destination.volume(wanted) is not None:
            _tell_of_quarantine(errand, wanted)
            continue
        _write_down(errand, plan, wanted, plan.disk.source if source is None else source)
        try:
            made = errand.destination.create_volume(pool=plan.pool, name=name, **volume)
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


def _tell_of_quarantine(errand: Errand, path: str) -> None:
    """A file that an earlier move left there is why the copy takes another name."""
    if QuarantinedDisk.objects.kept().filter(host=errand.migration.destination, path=path).exists():
        there = errand.migration.destination_name
        text = f"{path} on {there} is in quarantine and is not overwritten: the copy takes another name"
        errand.pen.say("quarantine.in_the_way", text)


def _write_down(errand: Errand, plan: DiskPlan, path: str, source: str) -> None:
    artefact = {"path": path, "pool": plan.pool, "target": plan.disk.target, "source": source}
    errand.migration.artefacts = [*errand.migration.artefacts, artefact]
    Migration.objects.filter(pk=errand.migration.pk).update(artefacts=errand.migration.artefacts)


def _cross_out(errand: Errand, path: str) -> None:
    errand.migration.artefacts = [one for one in errand.migration.artefacts if one["path"] != path]
    Migration.objects.filter(pk=errand.migration.pk).update(artefacts=errand.migration.artefacts)


def order(errand: Errand, findings: Findings, paths: dict[str, str]) -> MigrationOrder:
    """What libvirt is asked to do."""
    options, terms = errand.options, errand.terms
    runs_on = errand.migration.mode == modes.LIVE
    live, persistent = definitions(errand, findings, paths)
    return MigrationOrder(
        destination=errand.destination_row.where(),
        copy_disks=tuple(plan.disk.target for plan in findings.copies),
        incremental=findings.incremental,
        live=runs_on,
        definition_only=errand.cold and not findings.copies,
        destination_xml=live,
        persistent_xml=persistent,
        bandwidth_mib_s=share.allotted(errand),
        # The promise is kept from below: `flows.steering` raises the limit where the passes stop shrinking.
        max_downtime_ms=bearings.first_limit_ms(terms, bearings.Abilities()),
        # A guest that stands still writes nothing that would have to be waited for.
        auto_converge=terms.may_throttle and runs_on,
        # In reserve for an operator, whatever the policy says; QEMU takes no parallel connections beside it.
        post_copy=terms.parallel <= 1 and runs_on,
        parallel_connections=terms.parallel if terms.parallel > 1 else 0,
        compression=terms.compression,
        tls=terms.encryption is not Encryption.OFF,
        proven_shared=any(plan.action is DiskAction.SHARED for plan in findings.disks),
        undefine_source=options.undefine_source,
    )


def definitions(errand: Errand, findings: Findings, paths: dict[str, str]) -> tuple[str, str]:
    """The guest's XML for the destination, of the running and of the kept definition; "" when nothing in it changes.

    What changes is said in the job's log, by the same words that were shown before the start.
    """
    if not xml_difference.changes_anything(findings, paths):
        return "", ""
    now = errand.source.migration_xml(errand.uuid, persistent=False)
    live = xml_difference.rewritten(now, findings, paths)
    lines = xml_difference.difference(now, live)
    named = f" by the map {name}" if (name := errand.migration.map_rules.get("name")) else ""
    text = f"Its definition is changed for {errand.destination_row.name}{named}"
    errand.pen.say("definition.changed", text, data={"xml_difference": lines})
    kept = errand.source.migration_xml(errand.uuid, persistent=True)
    return live, xml_difference.rewritten(kept, findings, paths)


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
