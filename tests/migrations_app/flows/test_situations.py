"""Rows as the checks see them."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from fleet.models import Guest, Host, Job
from fleet.states import HostState
from migrations_app.flows import situations
from migrations_app.flows.situations import NOTHING, Promised
from migrations_app.map_rules import MapRules
from migrations_app.models import Migration
from migrations_app.options import Options
from migrations_app.preflight import Findings
from tests.cast import Cast


def moving(guest: Guest, destination: Host, memory_mib: int, **job: Any) -> Job:
    row = Job.objects.create(kind="migration", guest=guest, subject_name=guest.name, title="x", **job)
    Migration.objects.create(
        job=row,
        guest=guest,
        source=guest.host,
        destination=destination,
        guest_uuid=guest.uuid,
        source_name="a",
        destination_name="b",
        mode="live",
        storage="none",
        memory_mib=memory_mib,
    )
    return row


def test_unfinished_migrations_promise_memory_at_their_destination(cast: Cast) -> None:
    moving(cast.web, cast.beta, 100)
    unknown = moving(cast.db, cast.beta, 30, state="unknown")
    moving(cast.db, cast.beta, 7000, state="failed", finished_at=timezone.now())
    every = [cast.alpha.pk, cast.beta.pk, cast.gamma.pk]
    assert situations.promised(every) == {cast.beta.pk: Promised(memory_mib=130)}
    assert situations.promised([cast.gamma.pk]) == {}
    assert situations.promised(every, without=unknown.pk) == {cast.beta.pk: Promised(memory_mib=100)}


@pytest.mark.parametrize(
    ("used", "free"), [(0, 16_384), (16_000, 384), (20_000, 0)], ids=["empty", "nearly full", "more than there is"]
)
def test_free_memory_is_never_negative(cast: Cast, used: int, free: int) -> None:
    cast.beta.memory_used_mib = used
    view = situations.view(cast.beta, Promised(memory_mib=5))
    assert (view.memory_free_mib, view.reserved_mib, view.site) == (free, 5, "north")


def test_a_host_without_a_site_has_none_and_maintenance_is_a_state(cast: Cast) -> None:
    cast.beta.site, cast.beta.maintenance = None, True
    view = situations.view(cast.beta)
    assert (view.site, view.state) == ("", HostState.MAINTENANCE)


def test_links_are_in_mebibytes_a_second(cast: Cast) -> None:
    # 200 Mbit/s / 8 = 25 MB/s = 23.84 MiB/s
    assert situations.links_from(cast.alpha) == {cast.south.pk: pytest.approx(23.84, abs=0.01)}
    assert situations.links_from(cast.gamma) == {cast.north.pk: pytest.approx(23.84, abs=0.01)}


def test_hosts_without_sites_have_no_links_and_count_as_neighbours(cast: Cast) -> None:
    cast.alpha.site = cast.beta.site = None
    assert situations.links_from(cast.alpha) == {}
    nothing = Findings(checks=(), disks=())
    assert situations.rate(cast.web, cast.alpha, cast.beta, nothing, NOTHING) > situations.rate(
        cast.web, cast.alpha, cast.gamma, nothing, NOTHING
    )


def test_a_guest_started_a_moment_ago_can_move_though_its_facts_are_older(cast: Cast) -> None:
    cast.web.facts = {**cast.web.facts, "state": "shutoff"}
    found = situations.check(
        guest=cast.web,
        source=cast.alpha,
        destination=cast.beta,
        storage="auto",
        options=Options(),
        rules=MapRules(),
    )
    assert found.allowed


def test_room_in_a_pool_is_promised_once(cast: Cast) -> None:
    migration = moving(cast.db, cast.beta, 100)
    Migration.objects.filter(job=migration).update(pool_bytes={"local": 3 << 30})
    promised = situations.promised([cast.beta.pk])[cast.beta.pk]
    free = {pool.name: pool.available_bytes for pool in situations.view(cast.beta).pools}
    less = {pool.name: pool.available_bytes for pool in situations.view(cast.beta, promised).pools}
    assert less == free | {"local": free["local"] - (3 << 30)}
