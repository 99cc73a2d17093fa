"""The verified hand-over: what is proven before the source is touched, and what happens when it cannot be."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable
from typing import Any

from fleet.hypervisor.errors import HostUnreachable
from fleet.hypervisor.interface import AgentWord
from fleet.models import Host, Job, Sighting
from fleet.states import JobState
from migrations_app.flows.run import run
from migrations_app.options import Options
from tests.cast import Cast

Moving = Callable[..., tuple[Job, threading.Thread]]


def ended(cast: Cast, moving: Moving, guest: Any, destination: Any, *, before_end: Any = None, **wish: Any) -> Job:
    job, thread = moving(guest, destination, **wish)
    move = cast.fleet.wait_for_migration(str(guest.uuid))
    if before_end:
        before_end()
    move.succeed()
    thread.join(20)
    return Job.objects.get(pk=job.pk)


def lines(job: Job) -> dict[str, str]:
    return {line["what"]: line["outcome"] for line in job.result["evidence"]}


def test_every_question_is_a_line_of_the_receipt(committed_cast: Cast, moving: Moving) -> None:
    job = ended(committed_cast, moving, committed_cast.web, committed_cast.beta)
    assert job.result["proven"] is True
    told = lines(job)
    assert (told["single copy"], told["disks open once"]) == ("proven", "proven")
    assert told["guest agent"] == "not_available"
    first = job.result["evidence"][0]
    assert first["how"].startswith("asked alpha: absent; asked beta: running; 1 other host by the watcher's looks")
    assert first["at"].endswith("Z")


def test_an_agent_that_answers_is_a_proof_and_one_that_does_not_is_told(committed_cast: Cast, moving: Moving) -> None:
    cast = committed_cast
    cast.fleet.agents[str(cast.web.uuid)] = AgentWord.ANSWERS
    assert lines(ended(cast, moving, cast.web, cast.beta))["guest agent"] == "proven"
    cast.sync()
    cast.fleet.agents[str(cast.web.uuid)] = AgentWord.SILENT
    job = ended(cast, moving, cast.web, cast.alpha)
    assert (job.state, job.result["proven"]) == (JobState.SUCCEEDED, False)
    assert job.events.filter(code="proof.failed", level="warning").exists()


def test_a_third_host_that_runs_it_too_stops_everything_until_one_copy_is_gone(
    committed_cast: Cast, moving: Moving
) -> None:
    cast = committed_cast
    path = cast.db.disks[0]["source"]

    def somebody_starts_it_on_gamma() -> None:
        cast.fleet.hosts["gamma"].add_guest("db")
        Sighting.objects.create(host=cast.gamma, guest=cast.db, state="running")

    wish = Options(keep_source=False)
    job = ended(cast, moving, cast.db, cast.beta, before_end=somebody_starts_it_on_gamma, options=wish)
    assert (job.state, job.error["code"]) == (JobState.UNKNOWN, "double_run")
    assert "beta AND on gamma" in job.error["message"]
    assert cast.fleet.hosts["alpha"].volume(path) is not None
    cast.fleet.hosts["gamma"].remove_guest(str(cast.db.uuid))
    Job.objects.filter(pk=job.pk).update(lease_expires_at=None, lease_owner="")
    run(job.pk)
    job.refresh_from_db()
    assert (job.state, job.result["proven"]) == (JobState.SUCCEEDED, True)


def test_an_old_sighting_is_asked_again_before_it_is_believed(committed_cast: Cast, moving: Moving) -> None:
    cast = committed_cast
    Sighting.objects.create(host=cast.gamma, guest=cast.web, state="running")
    job = ended(cast, moving, cast.web, cast.beta)
    assert lines(job)["single copy"] == "proven"
    assert "asked gamma: not active there any more" in job.result["evidence"][0]["how"]


def test_a_silent_host_that_was_last_said_to_run_it_leaves_the_question_open(
    committed_cast: Cast, moving: Moving
) -> None:
    cast = committed_cast
    Sighting.objects.create(host=cast.gamma, guest=cast.db, state="running")
    cast.fleet.hosts["gamma"].faults.fail_at("glimpse", HostUnreachable("gone"), times=None)
    job = ended(cast, moving, cast.db, cast.beta, options=Options(keep_source=False))
    assert lines(job)["single copy"] == "not_available"
    assert job.result["left_behind"] == [cast.db.disks[0]["source"]], "without the proof nothing is removed"


def test_another_guest_at_the_source_that_has_the_disk_open_keeps_it_there(
    committed_cast: Cast, moving: Moving
) -> None:
    cast = committed_cast
    alpha = cast.fleet.hosts["alpha"]
    disk = alpha.guest_rows[str(cast.db.uuid)].disks[0]
    alpha.add_guest("thief", disks=(dataclasses.replace(disk, target="vdb"),))
    job = ended(cast, moving, cast.db, cast.beta, options=Options(keep_source=False))
    assert lines(job)["disks open once"] == "failed"
    assert "thief on alpha uses /srv/local/db.qcow2" in job.result["evidence"][1]["how"]
    assert alpha.volume(disk.source) is not None


def test_a_third_host_that_shares_the_folder_and_has_the_disk_open_is_found(
    committed_cast: Cast, moving: Moving
) -> None:
    cast = committed_cast
    delta = cast.fleet.add_host("delta")
    folder, kind = cast.fleet.hosts["alpha"].pool_folders["shared"]
    folder.markers.add(delta.uuid)
    delta.pool_folders["pictures"] = (folder, kind)
    Host.objects.create(
        name="delta", transport="fake", address="delta", hardware_uuid=delta.uuid, contact=Host.Contact.UP
    )
    disk = cast.fleet.hosts["alpha"].guest_rows[str(cast.web.uuid)].disks[0]
    delta.add_guest("thief", disks=(disk,))
    cast.sync()
    from tests.cast import hear

    hear(Host.objects.get(name="delta"), delta)
    job = ended(cast, moving, cast.web, cast.beta)
    assert lines(job)["disks open once"] == "failed"


def test_unreachable_hosts_are_named(committed_cast: Cast, moving: Moving) -> None:
    Host.objects.filter(name="gamma").update(contact=Host.Contact.UNREACHABLE)
    job = ended(committed_cast, moving, committed_cast.web, committed_cast.beta)
    assert "not reachable, so not asked: gamma" in job.result["evidence"][0]["how"]
    assert lines(job)["single copy"] == "proven", "over all hosts that can be reached"
