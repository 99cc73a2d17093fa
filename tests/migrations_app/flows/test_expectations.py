"""What a move will cost, out of the rows: the way, the guest as it was measured, and what the move is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from django.utils import timezone

from fleet.models import Job
from fleet.planning.estimate import Forecast
from migrations_app import modes
from migrations_app.flows import expectations, situations
from migrations_app.flows.destinations import destinations
from migrations_app.flows.expectations import Expectations, carried_mib_s, limit_mib_s
from migrations_app.models import ForecastError
from migrations_app.preflight import Findings
from migrations_app.terms import Terms
from tests.cast import Cast

NOTHING = Findings(checks=(), disks=())


def test_the_narrowest_known_part_of_the_way_counts(cast: Cast) -> None:
    links = situations.links_from(cast.alpha)
    assert carried_mib_s(cast.alpha, cast.beta, links) is None, "nothing is known within the site"
    cast.alpha.migration_bandwidth_mbps, cast.gamma.migration_bandwidth_mbps = 1000, 100
    # 100 Mbit/s = 11.92 MiB/s
    assert carried_mib_s(cast.alpha, cast.gamma, links) == pytest.approx(11.92, abs=0.01)
    assert carried_mib_s(cast.alpha, cast.beta, links) == pytest.approx(119.2, abs=0.1)


def test_hosts_without_sites_get_a_forecast_too(cast: Cast) -> None:
    cast.alpha.site = cast.beta.site = None
    assert Expectations(cast.web, cast.alpha, Terms(), {}).of(cast.beta, NOTHING).duration_s > 0


def test_a_share_of_the_way_is_a_limit() -> None:
    assert limit_mib_s(Terms(bandwidth_share_percent=50), 100.0) == 50
    assert limit_mib_s(Terms(bandwidth_share_percent=50, bandwidth_mib_s=10), 100.0) == 10
    assert limit_mib_s(Terms(), 100.0) == 0


def to_gamma(cast: Cast, **about: Any) -> Forecast:
    """From alpha over 200 Mbit/s = 23.84 MiB/s, without throttling."""
    links = situations.links_from(cast.alpha)
    return Expectations(cast.web, cast.alpha, Terms(may_throttle=False), links).of(cast.gamma, NOTHING, **about)


def test_what_was_measured_of_a_guest_goes_into_its_forecasts(cast: Cast) -> None:
    assert to_gamma(cast).converges is None
    cast.web.dirty_bytes_s = 12 << 20  # half of what the link carries
    assert to_gamma(cast).converges
    cast.web.dirty_bytes_s = 30 << 20
    assert to_gamma(cast).converges is False
    # Always the same 28 MiB are more than a pause carries, 6 MiB are not: 23.8 MiB/s x 0.3 s.
    cast.web.dirty_bytes_s = cast.web.dirty_set_bytes = 28 << 20
    assert to_gamma(cast).converges is False
    cast.web.dirty_bytes_s = cast.web.dirty_set_bytes = 6 << 20
    assert to_gamma(cast).converges


def test_a_guest_that_is_off_has_no_memory_to_send_and_no_pause(cast: Cast) -> None:
    found = to_gamma(cast, mode=modes.COLD)
    assert (found.bytes, found.downtime_ms, found.converges) == (0, 0, True)


def test_a_guest_that_stands_still_pauses_for_all_its_memory_and_converges_whatever_it_writes(cast: Cast) -> None:
    cast.web.dirty_bytes_s = 100 << 20
    found = to_gamma(cast, mode=modes.OFFLINE)
    # 1.5 + 256 / 23.84
    assert found.converges
    assert found.downtime_ms == pytest.approx(12_200, abs=100)


def test_three_moves_teach_the_next_forecast(cast: Cast) -> None:
    before = destinations(guest=cast.web, only=cast.beta)[0].forecast
    assert (before.moves, before.basis) == (0, "")
    for number in range(3):
        ended: dict[str, Any] = {"state": "succeeded", "finished_at": timezone.now()}
        job = Job.objects.create(kind="migration", guest=cast.web, subject_name="web", title=f"Move {number}", **ended)
        taught = {"fixed_s": 4.0, "rate_mib_s": 50.0, "memory_share": 0.5}
        ForecastError.objects.create(
            job=job,
            guest=cast.web,
            source=cast.beta,
            destination=cast.alpha,
            copied_disks=False,
            duration_ms=5000,
            taught=taught,
        )
    found = destinations(guest=cast.web, only=cast.beta)[0].forecast
    # 4 + 128 / 50
    assert (found.duration_s, found.moves, found.basis) == (6.6, 3, "guest and hosts")
    assert replace(found, moves=0, basis="") != before
    assert len(expectations.past_moves(cast.web)) == 3
