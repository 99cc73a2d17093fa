"""Ends what `up` or `demo` runs, from any shell."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from fleet.operate import instance, laboratory
from fleet.operate.lines import explain
from fleet.operate.places import Places
from fleet.refusals import Refused


class Command(BaseCommand):
    help = "Ends a running Drover or demo, with its lab; also clears up after one that was killed."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        ended = [self.end(Places(home)) for home in (settings.HOME, settings.HOME / "check")]
        self.stdout.write("Ended." if any(ended) else "Nothing runs here.")

    def end(self, places: Places) -> bool:
        """Whether there was anything to end."""
        ran = instance.is_held(places)
        try:
            left = instance.end(places)
        except Refused as refusal:
            raise CommandError(explain(refusal)) from refusal
        if left is None:
            return ran
        # It was killed: its lab still stands.
        if left.lab:
            laboratory.Laboratory(places, left.lab).down()
            laboratory.forget_keys(places)
        instance.forget(places)
        return True
