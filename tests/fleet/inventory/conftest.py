"""The cast: three fake hosts that answer at once, and their rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from fleet.hypervisor import fake
from fleet.inventory import collect, sightings
from fleet.models import Host


@pytest.fixture
def hosts() -> Iterator[fake.FakeFleet]:
    fleet = fake.reset()
    for name in ("alpha", "beta", "gamma"):
        fleet.add_host(name)
    yield fleet
    fake.reset()


@pytest.fixture
def stored(db: None, hosts: fake.FakeFleet) -> Callable[[str], Host]:
    """Puts a fake host's row into the database as adding it would, without asking its guests."""

    def store(name: str, **fields: Any) -> Host:
        found = hosts.hosts[name]
        return Host.objects.create(
            name=name,
            address=name,
            transport="fake",
            contact=Host.Contact.UP,
            **collect.host_columns(found.facts(), found.pools()),
            **fields,
        )

    return store


@pytest.fixture
def look(hosts: fake.FakeFleet) -> Callable[..., sightings.Changes]:
    """What one state round of a host would store."""

    def store(host: Host, **options: Any) -> sightings.Changes:
        return sightings.store_guests(host_id=host.pk, glimpses=hosts.hosts[host.name].glimpses(), **options)

    return store
