"""Hosts come in, change and go: clear refusals, one audit row each, nothing half done."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from fleet.access.principal import Principal
from fleet.hypervisor import errors
from fleet.hypervisor.facts import HostAddress
from fleet.hypervisor.fake import FakeFleet
from fleet.inventory import probing
from fleet.inventory.maintenance import set_maintenance
from fleet.inventory.refresh import refresh_host
from fleet.inventory.register import add_host, change_host, remove_host
from fleet.models import AuditEvent, Guest, Host, HostLease, Job, Site
from fleet.refusals import Busy, Forbidden, Refused
from fleet.states import GuestState, Role
from migrations_app.models import Migration

pytestmark = pytest.mark.django_db
ADMIN = Principal.system("command")
Store = Callable[..., Host]


def add(name: str = "alpha", **fields: Any) -> Host:
    return add_host(principal=ADMIN, **{"name": name, "address": name, "transport": "fake", **fields})


def outcomes() -> list[tuple[str, str]]:
    return list(AuditEvent.objects.values_list("verb", "outcome"))


def test_an_added_host_is_there_with_everything_it_has(hosts: FakeFleet) -> None:
    hosts.add_pool("images", on=("alpha",))
    hosts.hosts["alpha"].add_guest("web", memory_mib=512)
    host = add(tags=["gold", " gold ", ""])
    assert (host.contact, host.cpus, host.version > 0) == (Host.Contact.UP, 8, True)
    assert host.tags == ["gold"]
    assert str(host.hardware_uuid) == hosts.hosts["alpha"].uuid
    assert [pool["name"] for pool in host.pools] == ["images"]
    guest = Guest.objects.get()
    assert (guest.name, guest.host, guest.state, guest.memory_mib) == ("web", host, GuestState.RUNNING, 512)
    assert HostLease.objects.filter(host=host, owner="").exists()
    assert outcomes() == [("host.add", "done")]


def test_a_dry_run_asks_the_host_and_stores_nothing(hosts: FakeFleet) -> None:
    host = add(dry_run=True)
    assert host.cpus == 8
    assert not Host.objects.exists()
    assert not AuditEvent.objects.exists()
    assert hosts.hosts["alpha"].calls


@pytest.mark.parametrize(
    ("again", "field", "text"),
    [
        ({"name": "ALPHA", "address": "beta"}, "name", "named 'alpha'"),
        ({"name": "beta", "address": "alpha"}, "address", "'alpha' has the address"),
    ],
)
def test_the_same_name_or_address_is_refused_before_anybody_is_asked(
    hosts: FakeFleet, again: dict[str, str], field: str, text: str
) -> None:
    add()
    hosts.hosts["beta"].calls.clear()
    with pytest.raises(Refused, match=text) as refusal:
        add(**again)
    assert (refusal.value.code, refusal.value.field) == ("host_known", field)
    assert refusal.value.data["host"] == str(Host.objects.get().pk)
    assert not hosts.hosts["beta"].calls


def test_the_same_machine_under_another_address_is_refused_by_its_uuid(hosts: FakeFleet) -> None:
    add()
    hosts.hosts["also-alpha"] = hosts.hosts["alpha"]
    with pytest.raises(Refused, match="same machine as the host 'alpha'"):
        add("also-alpha")
    assert Host.objects.count() == 1


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"name": "no spaces"}, "name"),
        ({"name": ""}, "name"),
        ({"transport": "ext"}, "transport"),
        ({"transport": "tls", "address": "alpha?command=/bin/sh"}, "address"),
        ({"transport": "tls", "address": "-oProxyCommand=x"}, "address"),
        ({"transport": "tls", "address": "alpha", "username": "root"}, "username"),
        ({"transport": "tls", "address": "alpha", "port": 70_000}, "port"),
        ({"transport": "tls", "address": "alpha", "migration_address": "a/b"}, "migration_address"),
        ({"transport": "ssh", "address": "alpha", "ssh_host_key": "nonsense"}, "ssh_host_key"),
        ({"tags": ["a;b"]}, "tags"),
    ],
)
def test_a_wrong_field_is_named_and_nobody_is_asked(hosts: FakeFleet, fields: dict[str, Any], field: str) -> None:
    with pytest.raises(Refused) as refusal:
        add(**fields)
    assert refusal.value.field == field
    assert not hosts.hosts["alpha"].calls


@pytest.mark.parametrize(
    ("error", "code", "remedy"),
    [
        (errors.HostUnreachable("no answer within 6 s"), "host_unreachable", "firewall"),
        (errors.BadCertificate("signed by nobody"), "bad_certificate", "cacert.pem"),
        (errors.AccessDenied("denied"), "access_denied", "client certificate"),
        (errors.NotAHypervisor("it is a test driver"), "not_a_hypervisor", "libvirtd"),
        (errors.HypervisorError("internal error"), "hypervisor_error", "journalctl"),
    ],
)
def test_what_went_wrong_is_said_with_a_remedy(
    hosts: FakeFleet, error: errors.HypervisorError, code: str, remedy: str
) -> None:
    hosts.hosts["alpha"].faults.fail_at("facts", error)
    with pytest.raises(Refused) as refusal:
        add()
    assert refusal.value.code == code
    assert error.text in refusal.value.text
    assert "alpha" in refusal.value.text
    assert remedy in refusal.value.remedy
    assert not Host.objects.exists()


def test_an_unknown_host_key_comes_with_what_is_needed_to_approve_it(hosts: FakeFleet) -> None:
    error = errors.HostKeyUnknown("unknown", fingerprint="SHA256:abc", key="ssh-ed25519 AAAA")
    hosts.hosts["alpha"].faults.fail_at("facts", error)
    with pytest.raises(Refused, match="SHA256:abc") as refusal:
        add()
    assert refusal.value.code == "host_key_unknown"
    assert refusal.value.data == {"fingerprint": "SHA256:abc", "key": "ssh-ed25519 AAAA"}


def test_a_changed_host_key_is_a_warning_not_a_question() -> None:
    address = HostAddress(name="alpha", transport="ssh", address="192.0.2.1")
    said = probing.refusal(errors.HostKeyChanged("changed", fingerprint="SHA256:new", key="ssh-ed25519 BBBB"), address)
    assert said.code == "host_key_changed"
    assert "not the approved one" in said.text
    assert "sit in between" in said.remedy


def test_a_viewer_or_operator_may_not_add_hosts(hosts: FakeFleet) -> None:
    operator = Principal(user=None, everywhere=Role.OPERATOR, door="page")
    with pytest.raises(Forbidden):
        add_host(principal=operator, name="alpha", address="alpha", transport="fake")
    assert not hosts.hosts["alpha"].calls


def test_a_site_admin_adds_hosts_at_that_site_only(hosts: FakeFleet) -> None:
    here, there = Site.objects.create(slug="here", name="Here"), Site.objects.create(slug="there", name="There")
    admin = Principal(user=None, at_sites={here.pk: Role.ADMIN}, door="page")
    host = add_host(principal=admin, name="alpha", address="alpha", transport="fake", site=here)
    with pytest.raises(Forbidden):
        add_host(principal=admin, name="beta", address="beta", transport="fake", site=there)
    with pytest.raises(Forbidden):
        change_host(principal=admin, host=host, site=there)


def test_a_new_name_needs_no_look_at_the_host_and_is_audited(hosts: FakeFleet) -> None:
    host = add()
    hosts.hosts["alpha"].calls.clear()
    changed = change_host(principal=ADMIN, host=host, name="omega", tags=["gold"])
    assert (changed.name, changed.tags, changed.version) == ("omega", ["gold"], host.version + 1)
    assert not hosts.hosts["alpha"].calls
    event = AuditEvent.objects.get(verb="host.change")
    assert event.before == {"name": "alpha", "tags": []}
    assert event.after == {"name": "omega", "tags": ["gold"]}


def test_a_new_address_must_lead_to_the_same_machine(hosts: FakeFleet) -> None:
    host = add()
    with pytest.raises(Refused, match="Another machine answers there") as refusal:
        change_host(principal=ADMIN, host=host, address="beta")
    assert refusal.value.code == "other_machine"
    hosts.hosts["alpha-new"] = hosts.hosts["alpha"]
    assert change_host(principal=ADMIN, host=host, address="alpha-new").address == "alpha-new"


def test_changing_nothing_writes_nothing(hosts: FakeFleet) -> None:
    host = add()
    change_host(principal=ADMIN, host=host, name="alpha", port=None)
    assert Host.objects.get().version == host.version
    assert outcomes() == [("host.add", "done")]


def test_a_field_that_is_none_is_named(hosts: FakeFleet) -> None:
    host = add()
    with pytest.raises(Refused, match="no field 'uri'") as refusal:
        change_host(principal=ADMIN, host=host, uri="qemu+ext:///?command=x")
    assert refusal.value.code == "unknown_field"


def test_removing_a_host_forgets_the_guests_only_it_knew(hosts: FakeFleet) -> None:
    host, beta = add(), add("beta")
    hosts.hosts["alpha"].add_guest("web")
    both = hosts.hosts["alpha"].add_guest("both", state="shutoff")
    hosts.hosts["beta"].add_guest("both", state="shutoff")
    for each in (host, beta):
        refresh_host(principal=ADMIN, host=each)
    assert Guest.objects.get(uuid=both.uuid).host == host
    remove_host(principal=ADMIN, host=host)
    guest = Guest.objects.get()
    assert (guest.name, guest.host) == ("both", beta)
    assert outcomes()[-1] == ("host.remove", "done")


def test_a_guest_with_jobs_outlives_its_host(hosts: FakeFleet) -> None:
    hosts.hosts["alpha"].add_guest("web")
    host = add()
    Job.objects.create(
        kind="migration", guest=Guest.objects.get(), subject_name="web", title="Move web", state="queued"
    )
    Job.objects.update(state="succeeded", finished_at=host.created_at)
    remove_host(principal=ADMIN, host=host)
    guest = Guest.objects.get()
    assert (guest.host, guest.state) == (None, GuestState.UNKNOWN)


@pytest.mark.parametrize("part", ["guest", "destination"])
def test_a_host_is_not_removed_under_a_job(hosts: FakeFleet, part: str) -> None:
    alpha, beta = add(), add("beta")
    hosts.hosts["alpha"].add_guest("web")
    refresh_host(principal=ADMIN, host=alpha)
    guest = Guest.objects.get()
    job = Job.objects.create(kind="migration", guest=guest, subject_name="web", title="Move web to beta")
    Migration.objects.create(
        job=job,
        guest=guest,
        source=alpha,
        destination=beta,
        guest_uuid=guest.uuid,
        source_name="alpha",
        destination_name="beta",
        mode="live",
        storage="none",
        memory_mib=1,
    )
    with pytest.raises(Busy, match="Move web to beta") as refusal:
        remove_host(principal=ADMIN, host=alpha if part == "guest" else beta)
    assert refusal.value.job_id == str(job.pk)
    assert Host.objects.count() == 2


def test_refreshing_shows_the_truth_at_once(hosts: FakeFleet) -> None:
    host = add()
    hosts.hosts["alpha"].add_guest("web", memory_mib=64)
    fresh = refresh_host(principal=ADMIN, host=host)
    assert Guest.objects.get().host == host
    assert fresh.version > host.version
    hosts.hosts["alpha"].faults.unreachable()
    with pytest.raises(Refused, match="could not be reached"):
        refresh_host(principal=ADMIN, host=host)


def test_refreshing_never_mixes_up_machines(hosts: FakeFleet) -> None:
    host = add()
    hosts.hosts["alpha"] = hosts.hosts["beta"]
    with pytest.raises(Refused, match="Another machine"):
        refresh_host(principal=ADMIN, host=host)
    assert Host.objects.get().hardware_uuid != UUID(hosts.hosts["beta"].uuid)


def test_maintenance_is_audited_once(hosts: FakeFleet) -> None:
    host = add()
    assert set_maintenance(principal=ADMIN, host=host, on=True).state == "maintenance"
    version = Host.objects.get().version
    assert set_maintenance(principal=ADMIN, host=host, on=True).version == version
    assert not set_maintenance(principal=ADMIN, host=host, on=False).maintenance
    assert outcomes() == [("host.add", "done"), ("host.maintenance", "done"), ("host.maintenance", "done")]
