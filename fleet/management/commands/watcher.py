"""`manage.py watcher`: keeps the rows of hosts and guests true."""

from __future__ import annotations

import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser


class Command(BaseCommand):
    help = "Watch hosts and guests and keep their rows true; several watchers share the hosts and survive each other."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--name", default="", help="this watcher's name; must be unique (made up when left out)")
        parser.add_argument("--once", action="store_true", help="look at every host once, then end")

    def handle(self, *args: Any, **options: Any) -> None:
        # Imported here, so that other commands never load the hypervisor edge.
        from fleet.inventory.watch import Watcher  # noqa: PLC0415

        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        watcher = Watcher(options["name"])
        if not options["once"]:
            watcher.run(stop)
        elif not watcher.once(stop):
            raise CommandError("Some hosts could not be read; their pages say why.")
