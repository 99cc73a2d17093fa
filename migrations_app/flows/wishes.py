"""One door for every kind of wish: a guest moves to another host, or its disks to another pool of its own."""

from __future__ import annotations

from typing import Any

from fleet.access.principal import Principal
from fleet.models import Guest
from migrations_app.flows.submit import Submission, Wish, submit
from migrations_app.flows.submit_storage import submit_storage
from migrations_app.models import Migration


def ask(*, principal: Principal, guest: Guest, wish: Wish, **more: Any) -> Submission:
    """Store it, or say what would become of it; keywords and refusals are those of `submit`."""
    if wish.mode == Migration.Mode.STORAGE:
        return submit_storage(principal=principal, guest=guest, wish=wish, **more)
    return submit(principal=principal, guest=guest, wish=wish, **more)
