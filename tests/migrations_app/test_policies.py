"""Policies as admins keep them, over REST and on pages, and guests that name one."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, transaction

from fleet.inventory.guests import change_guest
from fleet.models import AuditEvent
from fleet.refusals import Refused
from fleet.states import Role
from migrations_app.flows import policies
from migrations_app.flows.submit import submit
from migrations_app.models import Migration, MigrationPolicy
from migrations_app.options import Options
from tests.cast import Cast, principal


def named(name: str) -> MigrationPolicy:
    return MigrationPolicy.objects.get(name=name)


def test_an_installation_begins_with_good_policies(cast: Cast) -> None:
    assert policies.names() == ["Balanced", "Encrypted", "Gentle", "May pause", "Must move"]
    assert [row.name for row in MigrationPolicy.objects.filter(is_default=True)] == ["Balanced"]
    assert [row.name for row in MigrationPolicy.objects.filter(may_post_copy=True)] == ["Must move"]


def test_a_move_stores_the_terms_it_began_with(cast: Cast, messages: object, rung: object) -> None:
    admin = principal(Role.ADMIN)
    change_guest(principal=admin, guest=cast.web, policy="May pause")
    job = submit(principal=admin, guest=cast.web, destination=cast.beta, options=Options(timeout_s=60)).job
    policies.change(principal=admin, policy=named("May pause"), max_pause_ms=1)
    stored = Migration.objects.get(job=job).terms
    assert (stored["policy"], stored["max_pause_ms"], stored["max_duration_s"]) == ("May pause", 5000, 60)


def test_tag_and_site_decide_where_the_guest_names_none(cast: Cast) -> None:
    policies.add(principal=principal(Role.ADMIN), name="North", sites=[cast.north])
    assert policies.chosen(cast.web, cast.alpha, Options()).terms.policy == "North"
    policies.change(principal=principal(Role.ADMIN), policy=named("Gentle"), tags=["gold"])
    cast.web.tags = ["gold"]
    assert policies.chosen(cast.web, cast.alpha, Options()).because == "for guests tagged gold"


def test_a_guest_names_only_a_policy_that_exists(cast: Cast) -> None:
    with pytest.raises(Refused, match="no migration policy 'Silver'"):
        change_guest(principal=principal(Role.OPERATOR), guest=cast.web, policy="Silver")


def test_guests_follow_a_policy_to_its_new_name(cast: Cast) -> None:
    admin = principal(Role.ADMIN)
    change_guest(principal=admin, guest=cast.web, policy="Gentle")
    policies.change(principal=admin, policy=named("Gentle"), name="Soft")
    cast.web.refresh_from_db()
    assert cast.web.policy == "Soft"


def test_the_default_and_a_policy_in_use_stay(cast: Cast) -> None:
    admin = principal(Role.ADMIN)
    with pytest.raises(Refused, match="is the default policy"):
        policies.remove(principal=admin, policy=named("Balanced"))
    change_guest(principal=admin, guest=cast.web, policy="Gentle")
    with pytest.raises(Refused, match="Gentle is named by 1 guest"):
        policies.remove(principal=admin, policy=named("Gentle"))
    change_guest(principal=admin, guest=cast.web, policy="")
    policies.remove(principal=admin, policy=named("Gentle"))
    assert AuditEvent.objects.filter(verb="policy.remove").exists()


def test_there_is_one_default_and_the_database_sees_to_it(cast: Cast) -> None:
    policies.make_default(principal=principal(Role.ADMIN), policy=named("Gentle"))
    assert [row.name for row in MigrationPolicy.objects.filter(is_default=True)] == ["Gentle"]
    with pytest.raises(IntegrityError), transaction.atomic():
        MigrationPolicy.objects.filter(name="Balanced").update(is_default=True)


def test_what_qemu_refuses_beside_parallel_connections_is_refused_here(cast: Cast) -> None:
    with pytest.raises(Refused, match="Parallel connections and post-copy") as refused:
        policies.add(principal=principal(Role.ADMIN), name="Fast", parallel=4, may_post_copy=True)
    assert refused.value.field == "parallel"
    with pytest.raises(IntegrityError), transaction.atomic():
        MigrationPolicy.objects.create(name="Fast", parallel=4, compression="xbzrle")


def test_two_policies_of_one_name_are_refused_whatever_their_case(cast: Cast) -> None:
    with pytest.raises(Refused):
        policies.add(principal=principal(Role.ADMIN), name="balanced")


def test_pages_list_add_and_change_policies(cast: Cast, client) -> None:
    client.force_login(principal(Role.ADMIN).user)
    listed = client.get("/policies/").content.decode()
    assert "At most 300 ms of pause" in listed
    wish = {
        "name": "Gold",
        "max_pause_ms": 100,
        "max_duration_s": 0,
        "encryption": "off",
        "bandwidth_mib_s": 0,
        "bandwidth_share_percent": 100,
        "parallel": 0,
        "tags": "gold, vip",
        "sites": [cast.north.pk],
    }
    assert client.post("/policies/add/", wish).status_code == 302
    assert named("Gold").tags == ["gold", "vip"]
    again = client.post("/policies/add/", wish)
    assert again.status_code == 422
    client.post(f"/policies/{named('Gold').pk}/", wish | {"max_pause_ms": 70})
    assert named("Gold").max_pause_ms == 70
    assert "<option>Gold</option>" in client.get(f"/guests/{cast.web.pk}/").content.decode()
    client.post(f"/policies/{named('Gold').pk}/remove/")
    assert not MigrationPolicy.objects.filter(name="Gold").exists()
