"""The fake fleet behaves as real hosts do, and fails exactly as told."""

from __future__ import annotations

import threading

import pytest

from fleet.hypervisor import connect, errors, fake
from fleet.hypervisor.config import EdgeConfig
from fleet.hypervisor.facts import GuestEvent
from fleet.hypervisor.interface import MigrationOrder


@pytest.fixture
def lab():
    before = connect.configuration()
    connect.configure(EdgeConfig(transports=("fake",)))
    fleet = fake.reset()
    fleet.add_host("alpha")
    fleet.add_host("beta")
    fleet.add_pool("shared", on=("alpha", "beta"))
    yield fleet
    fake.reset()
    connect.configure(before)


@pytest.fixture
def web(lab):
    return lab.hosts["alpha"].add_guest("web", pool="shared")


def order(lab, **choices):
    return MigrationOrder(destination=lab.hosts["beta"].address, **choices)


def migrate_in_thread(lab, web, **choices):
    caught: list[BaseException | None] = []

    def go():
        try:
            lab.hosts["alpha"].migrate(web.uuid, order(lab, **choices))
            caught.append(None)
        except errors.HypervisorError as error:
            caught.append(error)

    thread = threading.Thread(target=go)
    thread.start()
    return thread, caught, lab.wait_for_migration(web.uuid)


def test_connect_gives_the_fake_host(lab):
    assert connect.get(lab.hosts["alpha"].address).facts().hostname == "alpha"


def test_a_migration_that_nobody_holds_succeeds_at_once(lab, web):
    lab.hosts["alpha"].migrate(web.uuid, order(lab))
    assert lab.where(web.uuid) == {"beta": "running"}
    assert lab.hosts["beta"].completed_job(web.uuid).downtime_ms == 40
    assert lab.hosts["alpha"].glimpse(web.uuid) is None


def test_a_held_migration_moves_only_when_driven(lab, web):
    lab.hold_migrations()
    thread, caught, run = migrate_in_thread(lab, web)
    assert lab.where(web.uuid) == {"alpha": "running", "beta": "paused"}
    assert lab.hosts["beta"].glimpse(web.uuid).reason == "migration"
    run.copy_memory(done_bytes=1, remaining_bytes=2, iteration=1)
    assert lab.hosts["alpha"].job(web.uuid).memory_remaining_bytes == 2
    run.succeed()
    thread.join(5)
    assert caught == [None]
    assert lab.where(web.uuid) == {"beta": "running"}
    assert lab.hosts["alpha"].job(web.uuid) is None


def test_an_abort_leaves_the_guest_at_the_source(lab, web):
    lab.hold_migrations()
    thread, caught, _run = migrate_in_thread(lab, web)
    lab.hosts["alpha"].abort(web.uuid)
    thread.join(5)
    assert isinstance(caught[0], errors.Aborted)
    assert lab.where(web.uuid) == {"alpha": "running"}


def test_an_abort_may_come_too_late(lab, web):
    lab.hold_migrations()
    thread, caught, run = migrate_in_thread(lab, web)
    run.abort_is_too_late = True
    lab.hosts["alpha"].abort(web.uuid)
    run.succeed()
    thread.join(5)
    assert caught == [None]
    assert lab.where(web.uuid) == {"beta": "running"}


@pytest.mark.parametrize(
    ("ending", "raises", "where"),
    [
        ("succeed_but_raise", errors.HostUnreachable, {"beta": "running"}),
        ("return_without_moving", None, {"alpha": "running"}),
        ("fail", errors.HypervisorError, {"alpha": "running"}),
        ("lose_guest", errors.HostUnreachable, {}),
        ("leave_paused_on_both", errors.HostUnreachable, {"alpha": "paused", "beta": "paused"}),
        ("run_on_both", None, {"alpha": "running", "beta": "running"}),
    ],
)
def test_every_ending_leaves_the_copies_it_names(lab, web, ending, raises, where):
    lab.hold_migrations()
    thread, caught, run = migrate_in_thread(lab, web)
    getattr(run, ending)()
    thread.join(5)
    assert caught[0] is None if raises is None else isinstance(caught[0], raises)
    assert lab.where(web.uuid) == where


def test_a_migration_goes_on_without_its_caller(lab, web):
    run = lab.begin_migration(lab.hosts["alpha"], web.uuid, order(lab))
    assert lab.hosts["alpha"].job(web.uuid).kind == "unbounded"
    run.succeed()
    assert lab.where(web.uuid) == {"beta": "running"}


def test_a_second_migration_of_one_guest_is_refused(lab, web):
    lab.begin_migration(lab.hosts["alpha"], web.uuid, order(lab))
    with pytest.raises(errors.JobBusy):
        lab.begin_migration(lab.hosts["alpha"], web.uuid, order(lab))


def test_an_unreachable_host_answers_nothing_until_it_is_back(lab):
    alpha = lab.hosts["alpha"]
    alpha.faults.unreachable()
    with pytest.raises(errors.HostUnreachable):
        alpha.facts()
    alpha.faults.clear()
    assert alpha.facts().hostname == "alpha"


def test_a_lost_answer_still_took_effect(lab):
    alpha = lab.hosts["alpha"]
    alpha.faults.lose_answer_of("create_volume")
    with pytest.raises(errors.HostUnreachable):
        alpha.create_volume(pool="shared", name="x.qcow2", capacity_bytes=1, format="qcow2")
    assert alpha.volume("/var/lib/libvirt/shared/x.qcow2") is not None


def test_a_hanging_call_is_given_up(lab):
    alpha = lab.hosts["alpha"]
    alpha.faults.hang_at("guests")
    with pytest.raises(errors.HostUnreachable):
        alpha.guests()
    assert alpha.facts().hostname == "alpha"


def test_a_full_pool_refuses_volumes_and_copies(lab, web):
    folder, _ = lab.hosts["beta"].pool_folders["shared"]
    folder.full = True
    with pytest.raises(errors.NoSpace):
        lab.hosts["beta"].create_volume(pool="shared", name="x", capacity_bytes=1, format="raw")
    with pytest.raises(errors.NoSpace):
        lab.hosts["alpha"].migrate(web.uuid, order(lab, copy_disks=("vda",)))
    assert lab.where(web.uuid) == {"alpha": "running"}


def test_hosts_of_one_folder_see_each_others_markers(lab):
    alpha, beta = lab.hosts["alpha"], lab.hosts["beta"]
    alpha.place_marker("shared", alpha.uuid)
    beta.place_marker("shared", beta.uuid)
    assert alpha.pools()[0].markers == beta.pools()[0].markers == tuple(sorted([alpha.uuid, beta.uuid]))


def test_subscribers_hear_of_changes_until_they_end_it(lab, web):
    heard: list[GuestEvent] = []
    end = lab.hosts["alpha"].subscribe(heard.append)
    lab.hosts["alpha"].set_state(web.uuid, "shutoff")
    end()
    lab.hosts["alpha"].set_state(web.uuid, "running")
    assert [event.detail for event in heard] == ["stopped"]


def test_post_copy_needs_permission_and_memory_under_way(lab, web):
    run = lab.begin_migration(lab.hosts["alpha"], web.uuid, order(lab, post_copy=True))
    with pytest.raises(errors.HypervisorError):
        lab.hosts["alpha"].start_post_copy(web.uuid)
    run.copy_memory(done_bytes=1, remaining_bytes=1)
    lab.hosts["alpha"].start_post_copy(web.uuid)
    with pytest.raises(errors.HypervisorError, match="post-copy"):
        lab.hosts["alpha"].abort(web.uuid)


def test_disks_arrive_where_the_destination_xml_says(lab, web):
    xml = web_xml = lab.hosts["alpha"].migration_xml(web.uuid, persistent=False)
    xml = web_xml.replace("/var/lib/libvirt/shared", "/elsewhere")
    lab.hosts["alpha"].migrate(web.uuid, order(lab, destination_xml=xml))
    disk = lab.hosts["beta"].guest(web.uuid).disks[0]
    assert (disk.source, disk.capacity_bytes) == ("/elsewhere/web.qcow2", 1 << 30)
