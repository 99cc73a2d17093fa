"""Shares: watchers split the hosts, leave each other alone, and take over from a dead one."""

from __future__ import annotations

import threading
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.db.models import Count
from django.utils import timezone

from fleet.inventory.shares import Shares, wanted_by
from fleet.models import Host, HostLease

HOSTS = sorted(uuid4() for _ in range(5))


def owners(**held: int) -> dict[UUID, str]:
    """So many of HOSTS, in order, by each watcher."""
    names = [name for name, count in held.items() for _ in range(count)]
    return dict(zip(HOSTS, names, strict=False))


@pytest.mark.parametrize(
    ("title", "held", "taken"),
    [
        ("the first takes everything", {}, 5),
        # 5 hosts by 2 watchers: at least 2, at most 3 each.
        ("a second takes its part from the first", {"other": 5}, 2),
        ("2 and 3 leave each other alone", {"me": 2, "other": 3}, 0),
        ("3 and 2 leave each other alone", {"me": 3, "other": 2}, 0),
        ("what a dead one left is shared by the others", {"me": 1, "other": 2}, 2),
        # 5 hosts by 3 watchers: at least 1, at most 2 each.
        ("a third takes from the one with most", {"one": 3, "two": 2}, 1),
        ("nobody is robbed for more than a fair share", {"me": 1, "one": 2, "two": 2}, 0),
    ],
)
def test_of_five_hosts(title: str, held: dict[str, int], taken: int) -> None:
    before = owners(**held)
    wanted = wanted_by("me", HOSTS, before)
    assert len(wanted) == taken
    assert "me" not in {before.get(host) for host in wanted}


def test_more_watchers_than_hosts_is_no_fight() -> None:
    assert wanted_by("me", HOSTS[:1], owners(other=1)) == []


def make_hosts(count: int) -> None:
    Host.objects.bulk_create(
        [Host(name=f"host{n}", address=f"host{n}", transport="fake", hardware_uuid=uuid4()) for n in range(count)]
    )


def split() -> dict[str, int]:
    return dict(HostLease.objects.values_list("owner").annotate(Count("host")).order_by("owner"))


@pytest.mark.django_db
def test_two_watchers_split_and_stay_split() -> None:
    make_hosts(7)
    one, two = Shares("one"), Shares("two")
    assert len(one.renew()) == 7
    assert len(two.renew()) == 3
    for _ in range(3):
        assert len(one.renew()) == 4
        assert len(two.renew()) == 3
    assert split() == {"one": 4, "two": 3}


@pytest.mark.django_db
def test_a_dead_watchers_hosts_are_taken_when_its_leases_run_out() -> None:
    make_hosts(4)
    one, two = Shares("one"), Shares("two")
    one.renew(), two.renew(), one.renew()
    HostLease.objects.filter(owner="one").update(expires_at=timezone.now() - timedelta(seconds=1))
    assert len(two.renew()) == 4


@pytest.mark.django_db
def test_whoever_lost_a_lease_writes_nothing_more_about_the_host() -> None:
    make_hosts(2)
    one, two = Shares("one"), Shares("two")
    all_hosts = list(one.renew())
    taken = two.renew()
    assert one.still_ours(all_hosts) == set(all_hosts) - taken
    HostLease.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert one.still_ours(all_hosts) == set()


@pytest.mark.django_db
def test_a_watcher_that_ends_leaves_its_hosts_to_others_at_once() -> None:
    make_hosts(2)
    one, two = Shares("one"), Shares("two")
    one.renew()
    one.release()
    assert len(two.renew()) == 2


@pytest.mark.django_db
def test_a_new_host_is_found_at_the_next_renewal() -> None:
    make_hosts(1)
    one = Shares("one")
    one.renew()
    Host.objects.create(name="late", address="late", transport="fake", hardware_uuid=uuid4())
    assert len(one.renew()) == 2


@pytest.mark.django_db(transaction=True)
def test_racing_watchers_end_with_every_host_held_once_and_fairly() -> None:
    make_hosts(20)
    names = [f"watcher{n}" for n in range(4)]
    start = threading.Barrier(len(names))

    def race(name: str) -> None:
        shares = Shares(name)
        start.wait()
        for _ in range(4):
            shares.renew()
        connection.close()

    threads = [threading.Thread(target=race, args=[name]) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for _ in range(2):
        for name in names:
            Shares(name).renew()
    assert split() == dict.fromkeys(names, 5)
