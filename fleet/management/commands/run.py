"""Becomes one process of Drover, for whoever brings a supervisor of their own (systemd, containers)."""

from __future__ import annotations

import os
import shlex
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from fleet.operate import listening, programs
from fleet.operate.lines import explain
from fleet.refusals import Refused


class Command(BaseCommand):
    help = "Becomes one process of Drover; `up` runs them all."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", choices=["web", "worker", "clock", "watcher"])
        parser.add_argument("--listen", default="127.0.0.1:8000", metavar="ADDRESS:PORT", help="for web only")
        parser.add_argument("--show", action="store_true", help="print the command instead")

    def handle(self, *args: Any, **options: Any) -> None:
        argv = self.argv(options["name"], options["listen"])
        if options["show"]:
            self.stdout.write(shlex.join(argv))
            return
        os.execv(argv[0], argv)  # noqa: S606

    def argv(self, name: str, listen: str) -> tuple[str, ...]:
        if name == "web":
            try:
                return programs.web(*listening.choose(listen))
            except Refused as refusal:
                raise CommandError(explain(refusal)) from refusal
        found = {"worker": programs.worker, "clock": programs.clock, "watcher": programs.watcher}
        return found[name]()
