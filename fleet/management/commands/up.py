"""Runs this installation in the foreground."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from fleet.operate import instance, listening
from fleet.operate.lines import Lines, explain
from fleet.operate.places import Places
from fleet.operate.running import Ended, Processes, network_environment, prepare_database, until_ended
from fleet.refusals import Refused


class Command(BaseCommand):
    help = "Runs web, worker, clock, watcher and a private Redis in the foreground, until Ctrl-C or `make down`."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--listen", default="", metavar="ADDRESS:PORT", help="default: 127.0.0.1 and the first free port from 8000"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with until_ended():
                self.run_it(options["listen"])
        except Ended:
            pass
        except Refused as refusal:
            raise CommandError(explain(refusal)) from refusal

    def run_it(self, listen: str) -> None:
        lines = Lines()
        places = Places(settings.HOME)
        with instance.held(places, instance.Instance.mine("up")):
            address, port = listening.choose(listen)
            prepare_database(places, lines)
            processes = Processes(places, address=address, port=port)
            try:
                processes.start(network_environment(address))
                processes.wait()
                instance.update(places, url=processes.url)
                lines.step("processes", f"{', '.join(processes.names)} are up")
                lines.text(f"\nDrover is at {processes.url}   (Ctrl-C ends it)\n")
                processes.follow(lines)
            finally:
                processes.end()
                instance.forget(places)
                lines.step("processes", "have ended")
