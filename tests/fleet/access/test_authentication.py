from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from rest_framework.test import APIClient

from fleet.access import tokens
from fleet.access.principal import Principal
from fleet.access.scope import principal_of
from fleet.models import ApiToken, Grant, Site
from fleet.states import Role

pytestmark = pytest.mark.django_db


@pytest.fixture
def anna() -> User:
    user = User.objects.create_user("anna", password="a long enough one")
    Grant.objects.create(user=user, role="operator")
    return user


def answer(text: str) -> int:
    return APIClient(headers={"Authorization": f"Bearer {text}"}).get("/api/v1/sites/").status_code


def role_of(text: str) -> Role | None:
    found = tokens.principal_of(text)
    assert found is not None
    return found[1].everywhere


def test_a_token_opens_the_door_and_only_its_hash_is_kept(anna):
    token, text = tokens.make(user=anna, role=Role.VIEWER)
    assert answer(text) == 200
    key, secret = text.removeprefix("drv_").split(".")
    assert token.key == key
    assert not any(secret in str(value) for value in ApiToken.objects.values().get().values())


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text[:-1] + ("A" if text[-1] != "A" else "B"),
        lambda text: text.replace("drv_", "drv_0", 1),
        lambda text: "",
        lambda text: "drv_.",
        lambda text: text + "\x00",
        lambda text: "x" * 10_000,
    ],
)
def test_a_wrong_token_is_refused(anna, change):
    _, text = tokens.make(user=anna, role=Role.VIEWER)
    assert answer(change(text)) == 401


def test_an_expired_token_is_refused(anna):
    _, text = tokens.make(user=anna, role=Role.VIEWER, expires_at=timezone.now() - timedelta(seconds=1))
    assert answer(text) == 401


def test_a_token_of_somebody_inactive_is_refused(anna):
    _, text = tokens.make(user=anna, role=Role.VIEWER)
    User.objects.update(is_active=False)
    assert answer(text) == 401


@pytest.mark.parametrize(
    ("token", "expected"), [("viewer", Role.VIEWER), ("operator", Role.OPERATOR), ("admin", Role.OPERATOR)]
)
def test_a_token_never_exceeds_its_owner(anna, token, expected):
    _, text = tokens.make(user=anna, role=Role(token))
    assert role_of(text) is expected


def test_a_token_shrinks_with_its_owner(anna):
    _, text = tokens.make(user=anna, role=Role.OPERATOR)
    Grant.objects.update(role="viewer")
    assert role_of(text) is Role.VIEWER
    Grant.objects.all().delete()
    assert role_of(text) is None


def test_a_token_may_be_limited_to_a_site(anna):
    north = Site.objects.create(slug="north", name="North")
    _, text = tokens.make(user=anna, role=Role.VIEWER, site=north)
    _, principal = tokens.principal_of(text)
    assert principal.everywhere is None
    assert dict(principal.at_sites) == {north.id: Role.VIEWER}
    assert principal.door.startswith("api:")


def test_who_uses_a_token_costs_one_query_and_a_write_once_a_minute(anna, django_assert_num_queries):
    north = Site.objects.create(slug="north", name="North")
    Grant.objects.create(user=anna, role="admin", site=north)
    token, text = tokens.make(user=anna, role=Role.ADMIN)
    with django_assert_num_queries(2):
        _, principal = tokens.principal_of(text)
    assert (principal.everywhere, dict(principal.at_sites)) == (Role.OPERATOR, {north.id: Role.ADMIN})
    token.refresh_from_db()
    assert token.last_used_at is not None
    with django_assert_num_queries(1):
        tokens.principal_of(text)


def test_the_pages_session_opens_the_api_for_reading(anna):
    client = APIClient(enforce_csrf_checks=True)
    client.force_login(anna)
    assert client.get("/api/v1/sites/").status_code == 200


def test_writing_with_a_session_needs_the_csrf_token(anna):
    client = APIClient(enforce_csrf_checks=True)
    client.force_login(anna)
    refused = client.post("/api/v1/tokens/", {"role": "viewer"})
    assert (refused.status_code, refused.json()["code"]) == (403, "permission_denied")
    csrf = "x" * 32
    client.cookies["drover_csrf"] = csrf
    assert client.post("/api/v1/tokens/", {"role": "viewer"}, headers={"X-CSRFToken": csrf}).status_code == 201


def test_a_request_id_is_echoed_where_it_is_sane():
    client = APIClient()
    assert client.get("/healthz", headers={"X-Request-Id": "run-17.a"})["X-Request-Id"] == "run-17.a"
    assert client.get("/healthz", headers={"X-Request-Id": "a b"})["X-Request-Id"] != "a b"
    assert len(client.get("/healthz", headers={"X-Request-Id": "x" * 500})["X-Request-Id"]) == 32


def test_a_problem_carries_the_request_id():
    problem = APIClient().get("/api/v1/sites/", headers={"X-Request-Id": "run-17"}).json()
    assert problem["request_id"] == "run-17"


def test_a_socket_is_known_by_its_token(anna):
    _, text = tokens.make(user=anna, role=Role.VIEWER)
    scope = {"headers": [(b"authorization", f"Bearer {text}".encode())], "client": ["10.0.0.7", 4000]}
    principal = principal_of(scope)
    assert (principal.user, principal.everywhere, principal.address) == (anna, Role.VIEWER, "10.0.0.7")
    ApiToken.objects.all().delete()
    assert principal_of(scope) is None


def test_a_socket_is_known_by_its_session_until_its_owner_is_gone(anna):
    scope = {"headers": [], "user": anna}
    assert principal_of(scope) == Principal.of_user(anna, door="socket")
    User.objects.filter(pk=anna.pk).update(is_active=False)
    assert principal_of(scope, fresh=True) is None


def test_a_token_in_a_sockets_address_is_not_looked_at(anna):
    _, text = tokens.make(user=anna, role=Role.VIEWER)
    assert principal_of({"headers": [], "query_string": f"token={text}".encode()}) is None
