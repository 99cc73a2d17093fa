"""Every host as a destination: allowed or not, why, how good, at what cost."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from fleet.hypervisor import facts
from fleet.models import Guest, Host
from fleet.refusals import Refused
from migrations_app.flows.destinations import Destination, destinations
from migrations_app.options import Options
from tests.cast import Cast


def by_name(found: list[Destination]) -> dict[str, Destination]:
    return {one.host.name: one for one in found}


def test_every_other_host_is_a_candidate_and_the_best_comes_first(cast: Cast) -> None:
    found = destinations(guest=cast.web)
    assert [one.host.name for one in found] == ["beta", "gamma"]
    # beta shares web's folder and the site; gamma has neither: 15 + 10 points less
    assert found[0].score - found[1].score == 25
    assert [one.storage for one in found] == ["none", "copy"]


def test_a_host_that_cannot_take_the_guest_comes_last_however_good_it_is(cast: Cast) -> None:
    Host.objects.filter(pk=cast.beta.pk).update(maintenance=True)
    found = destinations(guest=cast.web)
    assert [(one.host.name, one.allowed) for one in found] == [("gamma", True), ("beta", False)]
    assert found[1].checks[0]["code"] == "host_not_up"


def test_equally_good_hosts_come_by_name(cast: Cast) -> None:
    twin = add_host(cast, "aardvark", cast.beta)
    twin.pools = cast.beta.pools
    twin.save(update_fields=["pools"])
    assert [one.host.name for one in destinations(guest=cast.db)][:2] == ["aardvark", "beta"]


def test_a_destination_as_the_api_shows_it(cast: Cast) -> None:
    document = destinations(guest=cast.db)[0].document()
    assert document["host"] == {"id": str(cast.beta.pk), "name": "beta"}
    assert (document["site"], document["allowed"], document["storage"]) == ("north", True, "copy")
    assert set(document["forecast"]) >= {"duration_s", "downtime_ms", "bytes", "converges", "moves", "basis"}


def test_promised_memory_is_not_promised_twice(cast: Cast, messages: Any, rung: Any) -> None:
    from fleet.states import Role
    from migrations_app.flows.submit import submit
    from tests.cast import principal

    # 500 MiB free: room for one guest of 256 + 64 MiB; with 256 promised, 244 are left for the next.
    Host.objects.filter(pk=cast.beta.pk).update(memory_used_mib=cast.beta.memory_mib - 500)
    submit(principal=principal(Role.OPERATOR), guest=cast.web, destination=cast.beta)
    beta = by_name(destinations(guest=cast.db))["beta"]
    assert beta.checks[0]["message"] == "beta has 244 MiB free (256 MiB are promised to others), db needs 320 MiB."


def test_the_link_between_the_sites_decides_how_long_it_takes(cast: Cast) -> None:
    # 256 MiB of memory and 200704 bytes of disk over 200 Mbit/s = 23.84 MiB/s: 10.7 s, and 1.5 s of handshake
    assert by_name(destinations(guest=cast.web))["gamma"].forecast.duration_s == pytest.approx(12.2, abs=0.1)
    # 1.5 + 253 / 10, and the last 3 MiB in the pause, without the limit: 0.13 s
    limited = destinations(guest=cast.web, options=Options(bandwidth_mib_s=10))
    assert by_name(limited)["gamma"].forecast.duration_s == pytest.approx(26.9, abs=0.1)


def test_a_guest_that_no_host_knows_goes_nowhere(cast: Cast) -> None:
    Guest.objects.filter(pk=cast.web.pk).update(host=None)
    with pytest.raises(Refused, match="No host knows web any more"):
        destinations(guest=Guest.objects.get(pk=cast.web.pk))


def test_only_the_facts_of_libvirt_are_read_from_a_guests_row(cast: Cast) -> None:
    Guest.objects.filter(pk=cast.web.pk).update(facts=cast.web.facts | {"double_run": ["alpha"], "new in 2030": 1})
    assert destinations(guest=Guest.objects.get(pk=cast.web.pk))[0].allowed


def test_thirty_hosts_cost_as_many_queries_as_three(cast: Cast) -> None:
    def queries() -> int:
        guest = Guest.objects.select_related("host").get(pk=cast.web.pk)
        with CaptureQueriesContext(
            connection,
        ) as seen:
            destinations(guest=guest)
        return len(seen)

    few = queries()
    for number in range(27):
        add_host(cast, f"host{number:02}", cast.beta)
    assert len(destinations(guest=cast.web)) == 29
    assert queries() == few <= 8


def add_host(cast: Cast, name: str, like: Host) -> Host:
    number = uuid.uuid5(uuid.NAMESPACE_DNS, name)
    described = replace(like.host_facts(), uuid=str(number), hostname=name)
    return Host.objects.create(
        name=name,
        transport="fake",
        address=name,
        site=like.site,
        contact=Host.Contact.UP,
        hardware_uuid=number,
        cpus=8,
        memory_mib=like.memory_mib,
        memory_used_mib=like.memory_used_mib,
        cpu_percent=like.cpu_percent,
        facts=facts.dump(described),
        pools=[],
    )
