"""Measuring how guests write: taken in turns, never beside a job, and kept without the sampling's noise."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fleet.hypervisor.facts import DirtyRate
from fleet.hypervisor.fake import FakeFleet
from fleet.inventory import gauging, sightings
from fleet.inventory.gauging import LONG_S, SHORT_S, Gauged, Writing, due
from fleet.models import Guest, Host

MIB = 1 << 20


def turn(running: list[str], *, busy: set[str] | None = None, now: float = 1000.0, **gauged: Gauged) -> dict[str, int]:
    return due(running, busy=busy or set(), gauged=gauged, now=now, round_s=12.0)


def test_a_new_guest_is_measured_shortly_then_at_length_then_left_alone_for_minutes() -> None:
    assert turn(["web"]) == {"web": SHORT_S}
    assert turn(["web"], web=Gauged(988.0, SHORT_S)) == {"web": LONG_S}
    assert turn(["web"], web=Gauged(988.0, LONG_S)) == {}
    assert turn(["web"], web=Gauged(600.0, LONG_S)) == {"web": SHORT_S}


def test_a_guest_with_a_job_is_left_in_peace() -> None:
    assert turn(["web", "db"], busy={"web"}) == {"db": SHORT_S}


def test_a_full_host_begins_few_at_a_time_those_first_that_waited_longest() -> None:
    many = [f"guest{number:03}" for number in range(500)]
    assert len(turn(many)) == gauging.MOST
    few = turn(["a", "b", "c"], a=Gauged(100.0, LONG_S), b=Gauged(50.0, LONG_S), c=Gauged(10.0, LONG_S))
    assert list(few) == ["c", "b"]


@pytest.fixture
def web(stored: Callable[[str], Host], hosts: FakeFleet) -> Guest:
    alpha = stored("alpha")
    guest = hosts.hosts["alpha"].add_guest("web", memory_mib=256)
    sightings.store_guests(host_id=alpha.pk, glimpses=hosts.hosts["alpha"].glimpses(), details={guest.uuid: guest})
    return Guest.objects.get()


def written(guest: Guest, mib_s: int, seconds: int = SHORT_S) -> dict[str, Writing]:
    uuid = str(guest.uuid)
    return {uuid: Writing(DirtyRate(uuid=uuid, seconds=seconds, bytes_s=mib_s * MIB), memory_used_mib=300)}


def test_measurements_land_in_the_guests_row(web: Guest) -> None:
    assert gauging.store(web.host_id, written(web, 16)).guests
    assert gauging.store(web.host_id, written(web, 2, LONG_S)).guests
    web.refresh_from_db()
    assert (web.dirty_bytes_s, web.dirty_set_bytes, web.memory_used_mib) == (16 * MIB, 16 * MIB, 256)
    assert web.dirty_measured_at is not None


def test_noise_is_averaged_and_a_real_change_is_believed(web: Guest) -> None:
    gauging.store(web.host_id, written(web, 16))
    gauging.store(web.host_id, written(web, 24))
    web.refresh_from_db()
    assert web.dirty_bytes_s == 20 * MIB
    gauging.store(web.host_id, written(web, 0))
    web.refresh_from_db()
    assert web.dirty_bytes_s == 0


def test_the_same_answer_again_tells_the_pages_nothing(web: Guest) -> None:
    gauging.store(web.host_id, written(web, 16))
    assert not gauging.store(web.host_id, written(web, 16))


def test_a_guest_that_cannot_be_measured_is_no_failure_of_its_host(web: Guest, hosts: FakeFleet) -> None:
    begun = gauging.begin(hosts.hosts["alpha"], {"no such guest": SHORT_S, str(web.uuid): SHORT_S}, 5.0)
    assert set(begun) == {"no such guest", str(web.uuid)}
    assert [one.rate.seconds for one in gauging.read(hosts.hosts["alpha"], begun, 0.0, ())] == [SHORT_S]
    assert gauging.read(hosts.hosts["alpha"], begun, 5.0, ()) == [], "read once"
