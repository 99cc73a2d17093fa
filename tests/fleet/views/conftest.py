"""Browsers of people with each role, and what a page costs."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from fleet.models import Site
from fleet.states import Role
from tests.cast import principal

Browser = Callable[..., Client]


@pytest.fixture
def as_(db: None) -> Browser:
    """A client signed in as a person with this role."""

    def sign_in(role: Role, *, site: Site | None = None, name: str = "") -> Client:
        client = Client()
        client.force_login(principal(role, name=name, site=site).user)
        return client

    return sign_in


@pytest.fixture
def queries() -> Callable[[Client, str], int]:
    """How many queries a page takes."""

    def count(client: Client, path: str) -> int:
        with CaptureQueriesContext(connection) as seen:
            answer = client.get(path)
        assert answer.status_code == 200
        return len(seen)

    return count
