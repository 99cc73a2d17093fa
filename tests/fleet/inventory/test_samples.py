"""Samples: percent out of counters, and silence about what nobody could see on a page."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fleet.hypervisor.facts import GuestStatistics, HostLoad
from fleet.hypervisor.fake import FakeFleet
from fleet.inventory import samples, sightings
from fleet.models import Guest, Host


def load(*, idle_s: float, total_s: float) -> HostLoad:
    return HostLoad(cpu_idle_ns=int(idle_s * 1e9), cpu_total_ns=int(total_s * 1e9), memory_free_mib=0)


def used(uuid: str, seconds: float) -> GuestStatistics:
    return GuestStatistics(uuid=uuid, cpu_time_ns=int(seconds * 1e9))


@pytest.mark.parametrize(
    ("title", "before", "now", "percent"),
    [
        # 40 s of CPU time passed, 10 of them idle: 30 / 40.
        ("busy", load(idle_s=100, total_s=200), load(idle_s=110, total_s=240), 75.0),
        ("the first sample says nothing", None, load(idle_s=110, total_s=240), None),
        ("a host that was rebooted begins anew", load(idle_s=100, total_s=200), load(idle_s=1, total_s=2), None),
        ("no time passed", load(idle_s=100, total_s=200), load(idle_s=100, total_s=200), None),
    ],
)
def test_the_hosts_cpu(title: str, before: HostLoad | None, now: HostLoad, percent: float | None) -> None:
    assert samples.cpu_percent(before, now) == percent


@pytest.mark.parametrize(
    ("told", "percent", "used_mib", "telling"),
    [
        (None, None, 100, (None, 100)),
        ((None, 100), None, 100, None),
        ((None, 100), 0.0, 100, (0.0, 100)),
        # Grains of a host with 10,000 MiB: 2 points of CPU, 100 MiB.
        ((50.0, 1000), 51.9, 1100, None),
        ((50.0, 1000), 52.0, 1000, (52.0, 1000)),
        ((50.0, 1000), None, 1101, (50.0, 1101)),
    ],
)
def test_only_what_shows_is_written(
    told: samples.Told | None, percent: float | None, used_mib: int, telling: samples.Told | None
) -> None:
    assert samples.worth_telling_of_host(told, percent=percent, used_mib=used_mib, memory_mib=10_000) == telling


def test_a_guests_cpu_is_its_time_over_the_time_that_passed() -> None:
    before = {"web": (100.0, int(5e9)), "reset": (100.0, int(50e9))}
    now = (used("web", 20), used("reset", 1), used("new", 7))
    # web: 15 s of CPU time in 10 s, so 1.5 CPUs' worth.
    assert samples.guest_cpus(before, now, 110.0) == {"web": 1.5}


def test_a_guest_that_stopped_has_no_cpu() -> None:
    told = {"web": 0.5, "db": 0.5, "idle": 0.5}
    assert samples.worth_telling(told, {"web": 0.54, "db": 0.6}) == {"db": 0.6, "idle": None}


@pytest.mark.django_db
def test_a_guests_row_shows_percent_of_its_own_cpus(stored: Callable[[str], Host], hosts: FakeFleet) -> None:
    alpha = stored("alpha")
    web = hosts.hosts["alpha"].add_guest("web", vcpus=2)
    sightings.store_guests(host_id=alpha.pk, glimpses=hosts.hosts["alpha"].glimpses(), details={web.uuid: web})
    version = Guest.objects.get().version
    assert samples.store_guest_cpus(alpha.pk, {web.uuid: 1.5}).guests
    assert not samples.store_guest_cpus(alpha.pk, {web.uuid: 1.5})
    guest = Guest.objects.get()
    assert (guest.cpu_percent, guest.version) == (75.0, version + 1)
