"""A whole watcher over fake hosts: rows follow what happens behind our back, whatever fails meanwhile."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection

from fleet.access.principal import Principal
from fleet.hypervisor.errors import HypervisorError
from fleet.hypervisor.fake import FakeFleet
from fleet.inventory import gauging, rounds, shares, sightings, watch
from fleet.inventory.maintenance import set_maintenance
from fleet.inventory.watch import Watcher
from fleet.models import AuditEvent, Guest, Host, HostLease, Job, Sighting
from fleet.states import GuestState

pytestmark = pytest.mark.django_db(transaction=True)

Start = Callable[..., Watcher]


def until(condition: Callable[[], Any], *, within_s: float = 10.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.01)


@pytest.fixture(autouse=True)
def _brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything a little sooner than in life."""
    monkeypatch.setattr(watch, "RENEW_S", 0.2)
    monkeypatch.setattr(rounds, "LOOK_EVERY_S", 0.1)
    monkeypatch.setattr(rounds, "SECOND_INVENTORY_S", 0.3)
    monkeypatch.setattr(rounds, "INVENTORY_EVERY_S", 0.5)
    monkeypatch.setattr("fleet.inventory.contact.GRACE_S", 0.3)
    monkeypatch.setattr("fleet.inventory.contact.HURRY_S", 0.05)
    monkeypatch.setattr("fleet.inventory.contact.FIRST_PAUSE_S", 0.1)
    monkeypatch.setattr("fleet.inventory.contact.LONGEST_PAUSE_S", 0.2)


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a watcher in a thread; ends them all afterwards."""
    running: list[tuple[threading.Thread, threading.Event]] = []

    def begin(name: str = "one") -> Watcher:
        watcher, stop = Watcher(name), threading.Event()
        thread = threading.Thread(target=watcher.run, args=[stop])
        thread.start()
        running.append((thread, stop))
        return watcher

    yield begin
    for _, stop in running:
        stop.set()
    for thread, _ in running:
        thread.join(20)
        assert not thread.is_alive(), "the watcher did not end"


def state_of(name: str) -> str | None:
    return Guest.objects.filter(name=name).values_list("state", flat=True).first()


def test_rows_follow_a_guest_from_its_definition_to_its_end(
    stored: Callable[[str], Host], hosts: FakeFleet, start: Start
) -> None:
    alpha = stored("alpha")
    start()
    until(lambda: hosts.hosts["alpha"].subscribers)
    web = hosts.hosts["alpha"].add_guest("web", memory_mib=512, state="shutoff")
    until(lambda: Guest.objects.filter(name="web", host=alpha, state="shutoff", memory_mib=512).exists())
    hosts.hosts["alpha"].set_state(web.uuid, "running")
    until(lambda: state_of("web") == GuestState.RUNNING)
    hosts.hosts["alpha"].remove_guest(web.uuid)
    until(lambda: state_of("web") == GuestState.UNKNOWN)
    assert not Sighting.objects.exists()


def test_a_change_is_seen_without_an_event_too(stored: Callable[[str], Host], hosts: FakeFleet, start: Start) -> None:
    stored("alpha")
    web = hosts.hosts["alpha"].add_guest("web")
    start()
    until(lambda: state_of("web") == GuestState.RUNNING)
    hosts.hosts["alpha"].subscribers.clear()
    hosts.hosts["alpha"].set_state(web.uuid, "paused", reason="user")
    until(lambda: state_of("web") == GuestState.PAUSED)


def test_a_silent_host_shows_with_the_reason_and_is_up_again_when_it_answers(
    stored: Callable[[str], Host], hosts: FakeFleet, start: Start
) -> None:
    alpha, beta = stored("alpha"), stored("beta")
    web = hosts.hosts["alpha"].add_guest("web")
    start()
    until(lambda: state_of("web") == GuestState.RUNNING)
    hosts.hosts["alpha"].faults.unreachable("connection refused")
    until(lambda: Host.objects.get(pk=alpha.pk).contact == Host.Contact.UNREACHABLE)
    assert "connection refused" in Host.objects.get(pk=alpha.pk).contact_text
    assert Host.objects.get(pk=beta.pk).contact == Host.Contact.UP
    assert Guest.objects.get().host == alpha, "its guests stay as they were last seen"
    hosts.hosts["alpha"].guest_rows.pop(web.uuid)
    hosts.hosts["alpha"].faults.clear()
    until(lambda: Host.objects.filter(pk=alpha.pk, contact=Host.Contact.UP, contact_text="").exists())
    until(lambda: state_of("web") == GuestState.UNKNOWN)


def test_one_hung_host_slows_no_other(stored: Callable[[str], Host], hosts: FakeFleet, start: Start) -> None:
    stored("alpha"), stored("beta")
    hosts.deadline_s = 30
    web = hosts.hosts["beta"].add_guest("web")
    start()
    until(lambda: state_of("web") == GuestState.RUNNING)
    hosts.hosts["alpha"].faults.hang_at("*")
    for _ in range(5):
        for state in ("paused", "running"):
            hosts.hosts["beta"].set_state(web.uuid, state)
            until(lambda wanted=state: state_of("web") == wanted, within_s=1.0)
    hosts.hosts["alpha"].faults.clear()


def test_a_silent_host_is_not_hammered(stored: Callable[[str], Host], hosts: FakeFleet, start: Start) -> None:
    stored("alpha"), stored("beta")
    hosts.hosts["alpha"].faults.unreachable()
    watcher = start()
    until(lambda: Host.objects.get(name="alpha").contact == Host.Contact.UNREACHABLE)
    beta = next(one for one in watcher.hosts.values() if one.address.name == "beta")
    asked, looks = len(hosts.hosts["alpha"].calls), beta.looks
    until(lambda: beta.looks >= looks + 10)
    # A second, in which the longest pause (0.2 s here) allows 5 tries, give or take the jitter.
    assert 1 <= len(hosts.hosts["alpha"].calls) - asked <= 12


def test_another_machine_at_the_address_is_not_taken_for_the_host(
    stored: Callable[[str], Host], hosts: FakeFleet, start: Start
) -> None:
    alpha = stored("alpha")
    stranger = hosts.add_host("stranger")
    stranger.add_guest("unknown")
    hosts.hosts["alpha"] = stranger
    start()
    until(lambda: "Another machine" in Host.objects.get(pk=alpha.pk).contact_text)
    assert not Guest.objects.exists()


def test_markers_prove_a_shared_folder_within_seconds(
    stored: Callable[[str], Host], hosts: FakeFleet, start: Start
) -> None:
    alpha, beta = stored("alpha"), stored("beta")
    hosts.add_pool("shared", on=("alpha", "beta"))
    start()
    both = sorted([str(alpha.hardware_uuid), str(beta.hardware_uuid)])

    def proven() -> bool:
        return all(host.pools and sorted(host.pools[0]["markers"]) == both for host in Host.objects.all())

    until(proven)


def test_a_pool_that_takes_no_marker_holds_up_nothing(
    stored: Callable[[str], Host], hosts: FakeFleet, start: Start
) -> None:
    stored("alpha")
    hosts.add_pool("shared", on=("alpha",))
    hosts.hosts["alpha"].faults.fail_at("place_marker", HypervisorError("read-only"), times=None)
    start()
    until(lambda: [pool["name"] for pool in Host.objects.get().pools] == ["shared"])


def test_two_running_copies_sound_the_alarm_until_one_is_gone(
    stored: Callable[[str], Host], hosts: FakeFleet, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    stored("alpha"), stored("beta")
    web = hosts.hosts["alpha"].add_guest("web")
    start()
    until(lambda: state_of("web") == GuestState.RUNNING)
    hosts.hosts["beta"].add_guest("web")
    until(lambda: Guest.objects.get().runs_twice_on == ["alpha", "beta"])
    assert any(record.levelno == logging.CRITICAL and "RUNS TWICE" in record.message for record in caplog.records)
    hosts.hosts["beta"].remove_guest(web.uuid)
    until(lambda: Guest.objects.get().runs_twice_on == [])
    told = AuditEvent.objects.filter(verb="guest.double_run").values_list("outcome", flat=True)
    assert list(told) == ["failed", "succeeded"]


def test_rows_that_others_wrote_wrongly_are_put_right(
    stored: Callable[[str], Host], hosts: FakeFleet, start: Start
) -> None:
    alpha = stored("alpha")
    hosts.hosts["alpha"].add_guest("web")
    start()
    until(lambda: state_of("web") == GuestState.RUNNING)
    Sighting.objects.update(state=GuestState.PAUSED)
    set_maintenance(principal=Principal.system(), host=alpha, on=True)
    until(lambda: Sighting.objects.get().state == GuestState.RUNNING)


def test_two_watchers_share_and_a_removed_host_is_let_go(
    stored: Callable[[str], Host], hosts: FakeFleet, start: Start
) -> None:
    stored("alpha"), stored("beta")
    one, two = start("one"), start("two")
    until(lambda: len(one.hosts) == len(two.hosts) == 1)
    Host.objects.get(pk=next(iter(one.hosts))).delete()
    until(lambda: not one.hosts or not two.hosts)


def test_a_watcher_that_ends_releases_its_leases(stored: Callable[[str], Host], hosts: FakeFleet) -> None:
    stored("alpha")
    hosts.hosts["alpha"].add_guest("web")
    assert Watcher("one").once(threading.Event(), deadline_s=10)
    assert state_of("web") == GuestState.RUNNING
    assert HostLease.objects.get().owner == ""


def test_one_round_says_that_a_host_could_not_be_read(stored: Callable[[str], Host], hosts: FakeFleet) -> None:
    stored("alpha")
    hosts.hosts["alpha"].faults.unreachable()
    assert not Watcher("one").once(threading.Event(), deadline_s=10)


def test_an_outage_of_the_database_is_waited_for_and_nothing_is_lost(
    stored: Callable[[str], Host],
    hosts: FakeFleet,
    start: Start,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("takes the file away from SQLite")
    stored("alpha")
    web = hosts.hosts["alpha"].add_guest("web")
    start()
    until(lambda: state_of("web") == GuestState.RUNNING)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE fleet_hostlease RENAME TO away")
    hosts.hosts["alpha"].set_state(web.uuid, "shutoff")
    until(lambda: sum("does not answer" in record.message for record in caplog.records) == 2)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE away RENAME TO fleet_hostlease")
    until(lambda: state_of("web") == GuestState.SHUTOFF)
    until(lambda: sum("answers again" in record.message for record in caplog.records) == 2)
    assert sum("does not answer" in record.message for record in caplog.records) == 2, "said once by each thread"


def test_a_quiet_minute_writes_nothing(stored: Callable[[str], Host], hosts: FakeFleet, start: Start) -> None:
    stored("alpha")
    for number in range(5):
        hosts.hosts["alpha"].add_guest(f"web{number}")
    watcher = start()
    until(lambda: Guest.objects.filter(state="running", memory_mib__gt=0).count() == 5)
    until(lambda: next(iter(watcher.hosts.values())).inventories >= 2)
    watcher.ledger.settle(wait_s=5)
    versions = list(Host.objects.values_list("version", flat=True)) + list(Guest.objects.values_list("version"))
    written, looks = watcher.ledger.written, next(iter(watcher.hosts.values())).looks
    until(lambda: next(iter(watcher.hosts.values())).looks >= looks + 20)
    watcher.ledger.settle(wait_s=5)
    assert watcher.ledger.written == written
    assert versions == list(Host.objects.values_list("version", flat=True)) + list(Guest.objects.values_list("version"))


def test_leases_outlive_a_slow_renewal_and_a_dead_watcher_is_noticed_in_time() -> None:
    assert shares.LEASE_S > 3 * shares.RENEW_S
    assert shares.LEASE_S + shares.RENEW_S < 15


def test_a_running_guest_is_measured_and_one_with_a_job_is_not(
    stored: Callable[[str], Host], hosts: FakeFleet, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds, "SAMPLE_EVERY_S", 0.1)
    # A measurement that is lost, as when its guest is just being stored, is made again at its next turn.
    monkeypatch.setattr(gauging, "EVERY_S", 0.3)
    alpha = stored("alpha")
    host = hosts.hosts["alpha"]
    web, db = host.add_guest("web"), host.add_guest("db")
    host.dirty_bytes_s = {web.uuid: 20 << 20, db.uuid: 20 << 20}
    sightings.store_guests(host_id=alpha.pk, glimpses=host.glimpses(), details={})
    Job.objects.create(kind="migration", guest=Guest.objects.get(name="db"), subject_name="db", title="Move db")
    start()
    measured = {"dirty_bytes_s": 20 << 20, "dirty_set_bytes": 160 << 20}
    until(lambda: Guest.objects.filter(name="web", **measured).exists(), within_s=60)
    assert Guest.objects.get(name="db").dirty_bytes_s is None
