"""Guests by the hundred on fake hosts, and a client that asks for them inside this process."""

from __future__ import annotations

import json
import uuid
from typing import Any

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from fleet.access import tokens
from fleet.models import Guest
from fleet.states import Role
from tests import cast


class Crowd:
    """The tests' cast, grown."""

    def __init__(self) -> None:
        self.cast = cast.assemble()
        owner = cast.principal(Role.ADMIN, "bench")
        _, text = tokens.make(user=owner.user, role=Role.ADMIN, site=None, name="bench", expires_at=None)
        self.client = Client(headers={"Authorization": f"Bearer {text}", "Host": "localhost"})

    def grow(self, size: int) -> None:
        """Copies of one guest under other names until there are `size`."""
        for number in range(size - Guest.objects.count()):
            guest = Guest.objects.get(pk=self.cast.web.pk)
            guest.pk, guest.uuid, guest.name = uuid.uuid4(), uuid.uuid4(), f"crowd{number}"
            guest.save(force_insert=True)

    def get(self, path: str) -> None:
        """A list that must be answered."""
        answer = self.client.get(f"/api/v1/{path}")
        assert answer.status_code == 200, answer.content

    def dry_run(self) -> None:
        """All checks of a move, for one destination."""
        document = {"guest": str(self.cast.web.pk), "destination": str(self.cast.beta.pk)}
        answer = self.client.post("/api/v1/migrations/?dry_run=true", json.dumps(document), "application/json")
        assert answer.status_code == 200 and answer.json()["allowed"], answer.content

    def queries_of(self, ask: Any) -> int:
        """How many statements one request runs."""
        with CaptureQueriesContext(connection) as captured:
            ask()
        return len(captured)
