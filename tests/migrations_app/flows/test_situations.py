"""Rows as the checks see them."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from fleet.models import Guest, Host, Job
from fleet.planning.estimate import Forecast
from fleet.states import HostState
from migrations_app.flows import situations
from migrations_app.models import Migration
from migrations_app.options import Options
from migrations_app.preflight import Findings
from migrations_app.terms import Terms
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
    assert situations.reserved_mib(every) == {cast.beta.pk: 130}
    assert situations.reserved_mib([cast.gamma.pk]) == {}
    assert situations.reserved_mib(every, without=unknown.pk) == {cast.beta.pk: 100}


@pytest.mark.parametrize(
    ("used", "free"), [(0, 16_384), (16_000, 384), (20_000, 0)], ids=["empty", "nearly full", "more than there is"]
)
def test_free_memory_is_never_negative(cast: Cast, used: int, free: int) -> None:
    cast.beta.memory_used_mib = used
    view = situations.view(cast.beta, reserved=5)
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
    forecast = situations.foresee(cast.web, cast.alpha, cast.beta, nothing, Terms(), {})
    assert forecast.duration_s > 0
    assert situations.rate(cast.web, cast.alpha, cast.beta, nothing, 0) > situations.rate(
        cast.web, cast.alpha, cast.gamma, nothing, 0
    )


def test_a_guest_started_a_moment_ago_can_move_though_its_facts_are_older(cast: Cast) -> None:
    cast.web.facts = {**cast.web.facts, "state": "shutoff"}
    found = situations.check(
        guest=cast.web, source=cast.alpha, destination=cast.beta, storage="auto", options=Options(), reserved=0
    )
    assert found.allowed


def test_the_narrowest_known_part_of_the_way_counts(cast: Cast) -> None:
    links = situations.links_from(cast.alpha)
    assert situations.carried_mib_s(cast.alpha, cast.beta, links) is None, "nothing is known within the site"
    cast.alpha.migration_bandwidth_mbps, cast.gamma.migration_bandwidth_mbps = 1000, 100
    # 100 Mbit/s = 11.92 MiB/s
    assert situations.carried_mib_s(cast.alpha, cast.gamma, links) == pytest.approx(11.92, abs=0.01)
    assert situations.carried_mib_s(cast.alpha, cast.beta, links) == pytest.approx(119.2, abs=0.1)


def test_a_share_of_the_way_is_a_limit() -> None:
    assert situations.limit_mib_s(Terms(bandwidth_share_percent=50), 100.0) == 50
    assert situations.limit_mib_s(Terms(bandwidth_share_percent=50, bandwidth_mib_s=10), 100.0) == 10
    assert situations.limit_mib_s(Terms(), 100.0) == 0


def test_what_was_measured_of_a_guest_goes_into_its_forecasts(cast: Cast) -> None:
    nothing, links = Findings(checks=(), disks=()), situations.links_from(cast.alpha)

    def foreseen() -> Forecast:
        return situations.foresee(cast.web, cast.alpha, cast.gamma, nothing, Terms(may_throttle=False), links)

    assert foreseen().converges is None
    cast.web.dirty_bytes_s = 12 << 20  # half of what the link carries
    assert foreseen().converges
    cast.web.dirty_bytes_s = 30 << 20
    assert foreseen().converges is False
    # Always the same 28 MiB are more than a pause carries, 6 MiB are not: 23.8 MiB/s x 0.3 s.
    cast.web.dirty_bytes_s = cast.web.dirty_set_bytes = 28 << 20
    assert foreseen().converges is False
    cast.web.dirty_bytes_s = cast.web.dirty_set_bytes = 6 << 20
    assert foreseen().converges


def test_a_guest_that_is_off_has_no_memory_to_send(cast: Cast) -> None:
    cast.web.state = "shutoff"
    nothing = Findings(checks=(), disks=())
    assert situations.foresee(cast.web, cast.alpha, cast.gamma, nothing, Terms(), {}).bytes == 0
