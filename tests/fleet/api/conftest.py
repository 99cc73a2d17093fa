from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from fleet.access import tokens
from fleet.models import Grant, Site
from fleet.states import Role

Caller = Callable[..., APIClient]


@pytest.fixture
def caller(db: None) -> Caller:
    """`caller("operator")`: a program with a token of somebody who holds that role; `site=` limits the role."""

    def make(role: str, *, site: Site | None = None, token_role: str = "admin") -> APIClient:
        user, _ = User.objects.get_or_create(username=f"{role}-{site.slug}" if site else role)
        Grant.objects.get_or_create(user=user, site=site, defaults={"role": role})
        _, text = tokens.make(user=user, role=Role(token_role))
        return with_token(text)

    return make


def with_token(text: str, **headers: Any) -> APIClient:
    return APIClient(headers={"Authorization": f"Bearer {text}", **headers})


@pytest.fixture
def admin(caller: Caller) -> APIClient:
    return caller("admin")


@pytest.fixture
def operator(caller: Caller) -> APIClient:
    return caller("operator")


@pytest.fixture
def viewer(caller: Caller) -> APIClient:
    return caller("viewer")


@pytest.fixture
def anonymous() -> APIClient:
    return APIClient()
