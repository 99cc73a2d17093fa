"""Sightings: rows follow the hosts, and nothing is written where nothing changed."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from fleet.hypervisor.fake import FakeFleet
from fleet.inventory import sightings
from fleet.models import Guest, Host, Job, Sighting
from fleet.states import GuestState

Store = Callable[..., Host]
Look = Callable[..., sightings.Changes]


def writes(queries: CaptureQueriesContext) -> list[str]:
    return [
        query["sql"] for query in queries.captured_queries if query["sql"].startswith(("INSERT", "UPDATE", "DELETE"))
    ]


def test_a_new_guest_gets_a_row_with_host_and_state(stored: Store, look: Look, hosts: FakeFleet) -> None:
    alpha = stored("alpha")
    web = hosts.hosts["alpha"].add_guest("web", memory_mib=512)
    changes = look(alpha, details={web.uuid: web})
    guest = Guest.objects.get()
    assert (guest.name, guest.host, guest.state, guest.memory_mib) == ("web", alpha, GuestState.RUNNING, 512)
    assert guest.guest_facts() == web
    assert changes.guests == {guest.pk}
    assert changes.hosts == {alpha.pk}, "the number of its guests changed"


def test_a_quiet_round_writes_nothing(stored: Store, look: Look, hosts: FakeFleet) -> None:
    alpha = stored("alpha")
    details = {guest.uuid: guest for guest in (hosts.hosts["alpha"].add_guest(f"web{n}") for n in range(20))}
    look(alpha, details=details)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert not look(alpha)
        assert not look(alpha, details=details)
    assert not writes(queries)


def test_a_change_costs_the_same_number_of_queries_whatever_the_number_of_guests(
    stored: Store, look: Look, hosts: FakeFleet
) -> None:
    alpha = stored("alpha")
    counts = []
    for number in range(1, 12):
        hosts.hosts["alpha"].add_guest(f"web{number}")
        with CaptureQueriesContext(connection) as queries:
            look(alpha)
        counts.append(len(queries))
    assert len(set(counts)) == 1


def test_versions_count_only_changes(stored: Store, look: Look, hosts: FakeFleet) -> None:
    alpha = stored("alpha")
    web = hosts.hosts["alpha"].add_guest("web")
    look(alpha)
    look(alpha)
    assert Guest.objects.get().version == 1
    hosts.hosts["alpha"].set_state(web.uuid, "shutoff")
    look(alpha)
    guest = Guest.objects.get()
    assert (guest.version, guest.state) == (2, GuestState.SHUTOFF)


def test_only_the_host_that_has_the_guest_describes_it(stored: Store, look: Look, hosts: FakeFleet) -> None:
    alpha, beta = stored("alpha"), stored("beta")
    web = hosts.hosts["alpha"].add_guest("web", memory_mib=512)
    look(alpha, details={web.uuid: web})
    leftover = hosts.hosts["beta"].add_guest("web", memory_mib=64, state="shutoff")
    look(beta, details={leftover.uuid: leftover})
    guest = Guest.objects.get()
    assert (guest.host, guest.memory_mib) == (alpha, 512)
    assert Sighting.objects.count() == 2


def test_a_guest_that_moved_is_on_its_new_host_and_both_hosts_counts_are_told(
    stored: Store, look: Look, hosts: FakeFleet
) -> None:
    alpha, beta = stored("alpha"), stored("beta")
    web = hosts.hosts["alpha"].add_guest("web")
    look(alpha)
    hosts.hosts["beta"].add_guest("web", state="paused")
    hosts.hosts["beta"].set_state(web.uuid, "paused", reason="migration")
    assert look(beta).hosts == set()
    assert Guest.objects.get().host == alpha
    hosts.hosts["alpha"].set_state(web.uuid, "paused", reason="migration")
    hosts.hosts["beta"].set_state(web.uuid, "running", reason="migrated")
    look(alpha)
    changes = look(beta)
    assert Guest.objects.get().host == beta
    assert changes.hosts == {alpha.pk, beta.pk}
    assert changes.arrived == {web.uuid}
    hosts.hosts["alpha"].remove_guest(web.uuid)
    look(alpha)
    assert [row.host for row in Sighting.objects.all()] == [beta]


def test_two_running_copies_are_reported_for_a_second_look(stored: Store, look: Look, hosts: FakeFleet) -> None:
    alpha, beta = stored("alpha"), stored("beta")
    hosts.hosts["alpha"].add_guest("web")
    hosts.hosts["beta"].add_guest("web")
    assert not look(alpha).doubled
    assert set(look(beta).doubled[Guest.objects.get().pk]) == {alpha.pk, beta.pk}


def test_a_silent_host_keeps_its_guests_until_somebody_else_has_them(
    stored: Store, look: Look, hosts: FakeFleet
) -> None:
    alpha, beta = stored("alpha"), stored("beta")
    hosts.hosts["alpha"].add_guest("web")
    look(alpha)
    hosts.hosts["beta"].add_guest("web")
    look(beta)
    Host.objects.filter(pk=alpha.pk).update(contact=Host.Contact.UNREACHABLE)
    changes = sightings.settle_shared(alpha.pk)
    assert Guest.objects.get().host == beta
    assert not changes.doubled


def test_a_guest_nobody_knows_is_nowhere_and_forgotten_later(stored: Store, look: Look, hosts: FakeFleet) -> None:
    alpha = stored("alpha")
    web = hosts.hosts["alpha"].add_guest("web")
    look(alpha)
    hosts.hosts["alpha"].remove_guest(web.uuid)
    look(alpha)
    guest = Guest.objects.get()
    assert (guest.host, guest.state) == (None, GuestState.UNKNOWN)
    assert sightings.prune() == [], "an undefine may be followed by a define"
    long_ago = timezone.now() - timedelta(minutes=sightings.FORGET_AFTER_MINUTES + 1)
    Guest.objects.update(updated_at=long_ago)
    assert sightings.prune() == [guest.pk]
    assert not Guest.objects.exists()


@pytest.mark.parametrize("keep", [{"pinned": True}, {"tags": ["gold"]}, {"job": True}])
def test_a_guest_with_a_history_is_never_forgotten(
    stored: Store, look: Look, hosts: FakeFleet, keep: dict[str, object]
) -> None:
    alpha = stored("alpha")
    web = hosts.hosts["alpha"].add_guest("web")
    look(alpha)
    hosts.hosts["alpha"].remove_guest(web.uuid)
    look(alpha)
    if keep.pop("job", False):
        Job.objects.create(kind="migration", guest=Guest.objects.get(), subject_name="web", title="Move web")
    Guest.objects.update(updated_at=timezone.now() - timedelta(days=9), **keep)
    assert sightings.prune() == []


def test_a_guest_keeps_its_host_while_its_job_is_open(stored: Store, look: Look, hosts: FakeFleet) -> None:
    alpha = stored("alpha")
    web = hosts.hosts["alpha"].add_guest("web")
    look(alpha)
    Job.objects.create(kind="migration", guest=Guest.objects.get(), subject_name="web", title="Move web")
    hosts.hosts["alpha"].remove_guest(web.uuid)
    look(alpha)
    assert Guest.objects.get().host == alpha


def test_a_renamed_guest_keeps_its_row(stored: Store, look: Look, hosts: FakeFleet) -> None:
    alpha = stored("alpha")
    web = hosts.hosts["alpha"].add_guest("web")
    look(alpha)
    hosts.hosts["alpha"].guest_rows[web.uuid] = dataclasses.replace(web, name="shop")
    look(alpha)
    assert Guest.objects.get().name == "shop"


def test_a_description_of_a_state_without_its_reason_does_not_wipe_the_reason(
    stored: Store, look: Look, hosts: FakeFleet
) -> None:
    alpha = stored("alpha")
    web = hosts.hosts["alpha"].add_guest("web")
    hosts.hosts["alpha"].set_state(web.uuid, "paused", reason="migration")
    look(alpha)
    described = hosts.hosts["alpha"].guests()
    sightings.store_guests(host_id=alpha.pk, glimpses=sightings.glimpses_of(described))
    assert Sighting.objects.get().reason == "migration"
