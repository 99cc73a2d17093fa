"""Moves through the worker on the fake fleet: one copy at most executes, whatever is lost and whenever."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from fleet.hypervisor.errors import HostUnreachable, HypervisorError, NoSpace
from fleet.hypervisor.fake_host import FakeHost
from fleet.jobs import commands, lease
from fleet.models import Job
from fleet.refusals import Refused
from fleet.states import JobState, Role
from migrations_app.flows.run import run
from migrations_app.flows.submit import submit
from migrations_app.models import Migration
from migrations_app.options import Options
from tests.cast import Cast, principal

#: What the disk of db holds: three blocks and a bit, one of them empty.
CONTENT = b"a" * (1 << 20) + bytes(1 << 20) + b"b" * (1 << 20) + b"tail"
PATH = "/srv/local/db.qcow2"


class Way:
    """db's way from alpha to beta through the worker."""

    def __init__(self, cast: Cast) -> None:
        self.cast = cast
        self.alpha, self.beta = cast.fleet.hosts["alpha"], cast.fleet.hosts["beta"]
        self.uuid = str(cast.db.uuid)
        self.alpha.put_file(PATH, CONTENT)

    def submit(self, **options: Any) -> Job:
        wish = Options(route="relay", **options)
        submitted = submit(
            principal=principal(Role.OPERATOR), guest=self.cast.db, destination=self.cast.beta, options=wish
        )
        assert submitted.job is not None
        return submitted.job

    def run(self, job: Job, times: int = 1) -> Job:
        """Let a worker have it, and again as often as it is offered again."""
        for _ in range(times):
            lease.Job.objects.filter(pk=job.pk).update(lease_expires_at=None)
            run(job.pk)
            job = Job.objects.get(pk=job.pk)
            assert self.executing() <= 1
            if job.is_finished:
                break
        return job

    def executing(self) -> int:
        return sum(state == "running" for state in self.cast.fleet.where(self.uuid).values())

    def files(self, host: FakeHost) -> list[str]:
        return sorted(host.pool_folders["local"][0].volumes)


@pytest.fixture
def way(committed_cast: Cast, messages: list[Any], rung: list[Any]) -> Iterator[Way]:
    yield Way(committed_cast)


def test_a_guest_is_saved_carried_and_brought_back_where_it_stood(way: Way) -> None:
    job = way.run(way.submit())
    assert job.state == JobState.SUCCEEDED, job.error
    assert way.cast.fleet.where(way.uuid) == {"beta": "running"}
    assert way.beta.guest_rows[way.uuid].persistent
    assert bytes(way.beta.pool_folders["local"][0].data["db.qcow2"]) == CONTENT
    assert job.result["single_copy"] is True
    assert job.result["downtime_ms"] > 0
    assert job.result["left_behind"] == [PATH]
    way.cast.db.refresh_from_db()
    assert way.cast.db.host == way.cast.beta


def test_image_and_kept_definition_are_gone_afterwards(way: Way) -> None:
    way.run(way.submit())
    assert way.files(way.alpha) == way.files(way.beta) == ["db.qcow2"]


def test_its_steps_tell_the_way(way: Way) -> None:
    job = way.run(way.submit())
    assert [(step.name, step.state) for step in job.steps.all()] == [
        ("check", "done"),
        ("prepare", "done"),
        ("suspend", "done"),
        ("disks", "done"),
        ("memory", "done"),
        ("switch-over", "done"),
        ("verify", "done"),
        ("clean-up", "done"),
    ]


@pytest.mark.parametrize("host", ["alpha", "beta"])
@pytest.mark.parametrize(
    "call",
    [
        "file",
        "save",
        "image_xml",
        "download",
        "upload",
        "create_volume",
        "define",
        "undefine",
        "restore",
        "resume",
        "glimpse",
    ],
)
@pytest.mark.parametrize("takes_effect", [True, False])
def test_a_host_lost_at_any_call_ends_with_the_guest_moved_once(
    way: Way, host: str, call: str, takes_effect: bool
) -> None:
    job = way.submit()
    faults = way.cast.fleet.hosts[host].faults
    if takes_effect:
        faults.lose_answer_of(call)
    else:
        faults.fail_at(call, HostUnreachable("cut off", host=host))
    job = way.run(job, times=4)
    if job.state == JobState.FAILED:
        # Lost before anything happened to the guest.
        assert Migration.objects.get(pk=job.pk).call_entered_at is None
        assert way.cast.fleet.where(way.uuid) == {"alpha": "running"}
        assert way.files(way.beta) == []
    else:
        assert job.state == JobState.SUCCEEDED, job.error
        assert way.cast.fleet.where(way.uuid) == {"beta": "running"}
        assert bytes(way.beta.pool_folders["local"][0].data["db.qcow2"]) == CONTENT


def test_a_copy_goes_on_where_it_stood(way: Way) -> None:
    job = way.submit(bandwidth_mib_s=1000)
    way.beta.faults.fail_at("upload", HostUnreachable("cut off", host="beta"), times=None)
    job = way.run(job)
    assert job.state == JobState.UNKNOWN
    assert job.error["guest_is_on"] == "alpha"
    assert "goes on where it stood" in job.error["hint"]
    way.beta.faults.clear()
    saves = way.alpha.calls.count("save")
    assert way.run(job).state == JobState.SUCCEEDED
    assert way.alpha.calls.count("save") == saves == 1


def test_while_a_host_is_silent_the_job_waits_and_touches_nothing(way: Way) -> None:
    job = way.submit()
    way.beta.faults.fail_at("restore", HostUnreachable("cut off", host="beta"))
    job = way.run(job)
    assert job.state == JobState.UNKNOWN
    way.alpha.faults.unreachable()
    before = way.cast.fleet.where(way.uuid)
    assert way.run(job, times=2).state == JobState.UNKNOWN
    assert way.cast.fleet.where(way.uuid) == before
    way.alpha.faults.clear()
    assert way.run(job).state == JobState.SUCCEEDED


@pytest.mark.parametrize(
    ("host", "call"),
    [
        *(("alpha", call) for call in ("save", "download", "undefine")),
        *(("beta", call) for call in ("upload", "define", "restore")),
    ],
)
def test_what_cannot_work_gives_the_guest_back_to_its_host(way: Way, host: str, call: str) -> None:
    job = way.submit()
    way.cast.fleet.hosts[host].faults.fail_at(call, NoSpace("No space left on device", host=host), times=None)
    job = way.run(job, times=2)
    assert (job.state, job.error["code"], job.error["guest_is_on"]) == (JobState.FAILED, "no_space", "alpha")
    assert way.cast.fleet.where(way.uuid) == {"alpha": "running"}
    assert way.alpha.guest_rows[way.uuid].persistent
    assert way.files(way.beta) == []
    assert way.files(way.alpha) == ["db.qcow2"]


def test_a_restore_that_works_nowhere_leaves_the_image_and_says_so(way: Way) -> None:
    job = way.submit()
    for host in (way.alpha, way.beta):
        host.faults.fail_at("restore", HypervisorError("cannot load", host=host.name), times=None)
    job = way.run(job)
    assert (job.state, job.error["code"]) == (JobState.FAILED, "guest_off")
    assert "virsh restore /srv/local/drover-" in job.error["hint"]
    assert way.cast.fleet.where(way.uuid) == {"alpha": "shutoff"}
    assert any(name.endswith(".save") for name in way.files(way.alpha))


def test_cancel_while_files_travel_lets_the_guest_run_where_it_was(way: Way) -> None:
    job = way.submit()
    way.beta.faults.fail_at("upload", HostUnreachable("cut off", host="beta"))
    job = way.run(job)
    commands.request(principal=principal(Role.OPERATOR), job=job, kind="cancel")
    job = way.run(job)
    assert job.state == JobState.CANCELLED
    assert way.cast.fleet.where(way.uuid) == {"alpha": "running"}
    assert way.files(way.alpha) == ["db.qcow2"]


def test_cancel_works_though_the_destination_is_dead_for_good(way: Way) -> None:
    job = way.submit()
    way.beta.faults.fail_at("upload", HostUnreachable("cut off", host="beta"))
    job = way.run(job)
    way.beta.faults.unreachable()
    commands.request(principal=principal(Role.OPERATOR), job=job, kind="cancel")
    job = way.run(job)
    assert job.state == JobState.CANCELLED
    assert way.cast.fleet.where(way.uuid)["alpha"] == "running"
    assert "Could not remove at beta" in job.error["hint"]


def test_after_the_hand_over_a_cancel_is_too_late(way: Way) -> None:
    job = way.submit()
    way.beta.faults.fail_at("restore", HostUnreachable("cut off", host="beta"))
    job = way.run(job)
    commands.request(principal=principal(Role.OPERATOR), job=job, kind="cancel")
    assert way.run(job).state == JobState.SUCCEEDED
    assert "too late" in job.commands.get().outcome


@pytest.mark.parametrize("state", ["running", "shutoff"])
def test_a_guest_that_somebody_started_meanwhile_is_left_alone(way: Way, state: str) -> None:
    job = way.submit()
    way.beta.faults.fail_at("upload", HostUnreachable("cut off", host="beta"))
    job = way.run(job)
    way.alpha.set_state(way.uuid, state, reason="booted" if state == "running" else "shutdown")
    job = way.run(job)
    assert (job.state, job.error["code"]) == (JobState.FAILED, "guest_taken")
    assert way.cast.fleet.where(way.uuid) == {"alpha": state}
    assert way.alpha.calls.count("restore") == 0, "its memory is of no use any more"


def test_a_disk_written_meanwhile_is_noticed(way: Way) -> None:
    job = way.submit()
    way.beta.faults.fail_at("upload", HostUnreachable("cut off", host="beta"))
    job = way.run(job)
    way.alpha.pool_folders["local"][0].data["db.qcow2"][5:6] = b"X"
    job = way.run(job)
    assert (job.state, job.error["code"]) == (JobState.FAILED, "file_changed")


def test_a_copy_that_differs_is_made_again(way: Way) -> None:
    job = way.submit()
    way.beta.faults.fail_at("restore", HostUnreachable("cut off", host="beta"))
    way.beta.spoil_next_upload = True
    job = way.run(job)
    assert job.events.filter(code="copy.differs").count() == 1
    assert way.run(job).state == JobState.SUCCEEDED
    assert bytes(way.beta.pool_folders["local"][0].data["db.qcow2"]) == CONTENT


def test_autostart_is_off_on_the_way_and_on_at_the_end(way: Way) -> None:
    way.alpha.set_autostart(way.uuid, True)
    job = way.submit()
    way.beta.faults.fail_at("upload", HostUnreachable("cut off", host="beta"))
    job = way.run(job)
    assert not way.alpha.guest_rows[way.uuid].autostart
    assert way.run(job).state == JobState.SUCCEEDED
    assert way.beta.guest_rows[way.uuid].autostart


def test_no_room_for_the_memory_is_refused_before_anything_happens(way: Way) -> None:
    for name in ("local", "shared"):
        way.alpha.pool_folders[name][0].full = True
    way.cast.sync()
    with pytest.raises(Refused, match="alpha has no folder pool with room for 320 MiB for the memory of db"):
        way.submit()


def test_it_cannot_run_on_the_way(way: Way) -> None:
    with pytest.raises(Refused, match="cannot run while it goes through Drover"):
        submit(
            principal=principal(Role.OPERATOR),
            guest=way.cast.db,
            destination=way.cast.beta,
            mode="live",
            options=Options(route="relay"),
        )


@pytest.fixture
def off(way: Way) -> Way:
    """db is shut off."""
    way.alpha.set_state(way.uuid, "shutoff", reason="shutdown")
    way.cast.sync()
    return way


def test_a_guest_that_is_off_goes_with_its_disks_and_stays_off(off: Way) -> None:
    job = off.run(off.submit())
    assert job.state == JobState.SUCCEEDED, job.error
    assert off.cast.fleet.where(off.uuid) == {"beta": "shutoff"}
    assert bytes(off.beta.pool_folders["local"][0].data["db.qcow2"]) == CONTENT
    assert off.files(off.alpha) == off.files(off.beta) == ["db.qcow2"]
    assert "memory" not in {step.name for step in job.steps.all()}


@pytest.mark.parametrize("call", ["file", "download", "upload", "define", "undefine", "glimpse"])
@pytest.mark.parametrize("host", ["alpha", "beta"])
def test_off_and_a_host_lost_at_any_call_it_arrives_once(off: Way, host: str, call: str) -> None:
    job = off.submit()
    off.cast.fleet.hosts[host].faults.lose_answer_of(call)
    job = off.run(job, times=4)
    if job.state == JobState.FAILED:
        assert off.cast.fleet.where(off.uuid) == {"alpha": "shutoff"}
    else:
        assert job.state == JobState.SUCCEEDED, job.error
        assert off.cast.fleet.where(off.uuid) == {"beta": "shutoff"}


def test_off_it_stays_where_it_is_when_the_destination_is_full(off: Way) -> None:
    job = off.submit()
    off.beta.faults.fail_at("upload", NoSpace("No space left on device", host="beta"), times=None)
    job = off.run(job)
    assert (job.state, job.error["code"], job.error["guest_is_on"]) == (JobState.FAILED, "no_space", "alpha")
    assert off.cast.fleet.where(off.uuid) == {"alpha": "shutoff"}
    assert off.files(off.beta) == []


def test_off_and_started_meanwhile_it_is_left_alone(off: Way) -> None:
    job = off.submit()
    off.beta.faults.fail_at("upload", HostUnreachable("cut off", host="beta"))
    job = off.run(job)
    off.alpha.set_state(off.uuid, "running", reason="booted")
    job = off.run(job)
    assert (job.state, job.error["code"]) == (JobState.FAILED, "guest_taken")
    assert off.cast.fleet.where(off.uuid) == {"alpha": "running"}
