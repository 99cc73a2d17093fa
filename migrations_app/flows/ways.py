"""The ways a guest can be moved, each a module with `begin` and `adopt`."""

from __future__ import annotations

from typing import Protocol

from migrations_app.flows import peer, prepare, relay, storage
from migrations_app.flows.errand import Errand
from migrations_app.models import Migration


class Way(Protocol):
    """How one kind of move is carried out, from its checks to its end in `settle`."""

    def begin(self, errand: Errand, asking: prepare.Asking) -> None:
        """A fresh job: nothing at the hosts has been changed, both are being asked."""

    def adopt(self, errand: Errand) -> None:
        """Another worker may have changed the hosts (`call_entered_at` is set) and died: ask, never start anew."""


WAYS: dict[str, Way] = {"peer": peer, "relay": relay, "storage": storage}


def of(migration: Migration) -> Way:
    """The way this migration goes."""
    return WAYS[migration.way]
