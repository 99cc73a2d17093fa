"""The cast of all tests: hosts alpha and beta at north (one shared folder), gamma at south, guests web and db."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib.auth.models import User

from fleet.access.principal import Principal
from fleet.hypervisor import fake
from fleet.hypervisor.fake_host import FakeHost
from fleet.inventory import collect, sightings
from fleet.models import Grant, Guest, Host, Site, SiteLink
from fleet.states import Role


@dataclass
class Cast:
    """Rows and their fake hosts."""

    fleet: fake.FakeFleet
    north: Site
    south: Site
    alpha: Host
    beta: Host
    gamma: Host
    web: Guest
    db: Guest

    def sync(self) -> None:
        """Make the rows say what the fake hosts say, as the watcher would."""
        for host in (self.alpha, self.beta, self.gamma):
            hear(host, self.fleet.hosts[host.name])
            host.refresh_from_db()
        self.web.refresh_from_db()
        self.db.refresh_from_db()


def hear(host: Host, connection: FakeHost) -> sightings.Changes:
    """Store what one host says now; `collect.announce` would tell the pages."""
    changes = collect.store_host(host_id=host.pk, host_facts=connection.facts(), pools=connection.pools())
    guests = connection.guests()
    details = {guest.uuid: guest for guest in guests}
    changes.add(sightings.store_guests(host_id=host.pk, glimpses=connection.glimpses(), details=details))
    return changes


def principal(role: Role | None, name: str = "", site: Site | None = None) -> Principal:
    """A person with one role, everywhere or at one site."""
    user, _ = User.objects.get_or_create(username=name or (role.value if role else "nobody"))
    if role:
        Grant.objects.update_or_create(user=user, site=site, defaults={"role": role.value})
    return Principal.of_user(user, door="page")


def assemble() -> Cast:
    """The fake fleet with its rows; web is on shared storage, db on alpha's own."""
    fleet = fake.reset()
    for name in ("alpha", "beta", "gamma"):
        fleet.add_host(name)
    shared = fleet.add_pool("shared", on=("alpha", "beta"), path="/srv/shared")
    shared.markers |= {fleet.hosts["alpha"].uuid, fleet.hosts["beta"].uuid}
    fleet.add_pool("shared", on=("gamma",), path="/srv/shared").markers.add(fleet.hosts["gamma"].uuid)
    for name in ("alpha", "beta", "gamma"):
        fleet.add_pool("local", on=(name,), path="/srv/local").markers.add(fleet.hosts[name].uuid)
    web = fleet.hosts["alpha"].add_guest("web", pool="shared")
    db = fleet.hosts["alpha"].add_guest("db", pool="local")
    north = Site.objects.create(slug="north", name="North", time_zone="Europe/Oslo")
    south = Site.objects.create(slug="south", name="South", time_zone="Europe/Rome")
    SiteLink.objects.create(source=north, target=south, bandwidth_mbps=200)
    SiteLink.objects.create(source=south, target=north, bandwidth_mbps=200)
    hosts = {
        name: Host.objects.create(
            name=name,
            transport="fake",
            address=name,
            site=south if name == "gamma" else north,
            hardware_uuid=fleet.hosts[name].uuid,
            contact=Host.Contact.UP,
        )
        for name in fleet.hosts
    }
    for name, host in hosts.items():
        hear(host, fleet.hosts[name])
        host.refresh_from_db()
    return Cast(
        fleet=fleet,
        north=north,
        south=south,
        alpha=hosts["alpha"],
        beta=hosts["beta"],
        gamma=hosts["gamma"],
        web=Guest.objects.get(uuid=web.uuid),
        db=Guest.objects.get(uuid=db.uuid),
    )
