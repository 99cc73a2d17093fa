from __future__ import annotations

import uuid

import pytest
from django.contrib.auth.models import User

from fleet.access.principal import Principal
from fleet.access.verbs import VERBS
from fleet.models import Grant, Host, Site
from fleet.refusals import Forbidden
from fleet.states import Role

pytestmark = pytest.mark.django_db


@pytest.fixture
def anna() -> User:
    return User.objects.create_user("anna")


@pytest.fixture
def north() -> Site:
    return Site.objects.create(slug="north", name="North")


def test_a_grant_everywhere_reaches_every_site(anna, north):
    Grant.objects.create(user=anna, role="operator")
    principal = Principal.of_user(anna, door="page")
    assert principal.allows("migration.submit", north.id)
    assert principal.allows("migration.submit")
    assert not principal.allows("host.add")


def test_a_grant_at_a_site_reaches_nothing_else(anna, north):
    Grant.objects.create(user=anna, role="admin", site=north)
    principal = Principal.of_user(anna, door="page")
    assert principal.allows("host.add", north.id)
    assert not principal.allows("fleet.view", uuid.uuid4())
    assert not principal.allows("fleet.view")
    assert principal.allows_somewhere("host.add")


def test_the_greater_of_two_grants_counts(anna, north):
    Grant.objects.create(user=anna, role="viewer")
    Grant.objects.create(user=anna, role="operator", site=north)
    principal = Principal.of_user(anna, door="page")
    assert principal.role_at(north.id) is Role.OPERATOR
    assert principal.role_at(None) is Role.VIEWER


def test_nobody_may_anything_without_a_grant(anna):
    principal = Principal.of_user(anna, door="page")
    assert not any(principal.allows(verb) or principal.allows_somewhere(verb) for verb in VERBS)
    assert not principal.restrict(Host.objects.all(), "site").exists()


def test_an_inactive_person_holds_nothing(anna):
    anna.is_superuser, anna.is_active = True, False
    assert Principal.of_user(anna, door="page").role_at(None) is None


def test_a_refusal_names_the_role_that_is_needed(anna):
    Grant.objects.create(user=anna, role="viewer")
    with pytest.raises(Forbidden) as refusal:
        Principal.of_user(anna, door="page").require("host.add", what="delta")
    assert refusal.value.text == "Adding a host (delta) needs the role admin; anna has the role viewer."
    assert refusal.value.data == {"role_needed": "admin", "role_held": "viewer"}


def test_rows_of_other_sites_are_not_seen(anna, north):
    south = Site.objects.create(slug="south", name="South")
    for name, site in (("alpha", north), ("beta", south), ("gamma", None)):
        Host.objects.create(name=name, address=name, transport="fake", site=site, hardware_uuid=uuid.uuid4())
    Grant.objects.create(user=anna, role="viewer", site=north)
    principal = Principal.of_user(anna, door="page")
    assert [host.name for host in principal.restrict(Host.objects.all(), "site")] == ["alpha"]
    assert [site.slug for site in principal.restrict(Site.objects.all(), "pk")] == ["north"]
    assert Principal.system().restrict(Host.objects.all(), "site").count() == 3


def test_it_is_built_in_one_query(anna, django_assert_num_queries):
    with django_assert_num_queries(1):
        Principal.of_user(anna, door="page")
