"""Says what is wrong with this installation, and the line that mends it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from fleet.operate import host_health, key_health, local_health
from fleet.operate.findings import Finding

TOPICS = ("version", "disk", "database", "redis", "worker", "watcher", "keys", "hosts")


class Command(BaseCommand):
    help = "Looks at the database, Redis, the processes, keys and every host; exit code 1 when something is wrong."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--only", choices=TOPICS, action="append", help="look at this only; may be repeated")
        parser.add_argument("--node", default="", metavar="NAME", help="the one worker that must answer")

    def handle(self, *args: Any, **options: Any) -> None:
        wrong = 0
        for finding in self.look(options["only"] or TOPICS, options["node"]):
            self.stdout.write(str(finding))
            self.stdout.flush()
            wrong += not finding.is_good
        if wrong:
            raise CommandError(f"{wrong} thing{'s are' if wrong > 1 else ' is'} wrong.")

    def look(self, topics: Any, node: str) -> Iterator[Finding]:
        looks: dict[str, Callable[[], list[Finding]]] = {
            "version": lambda: [local_health.version()],
            "disk": lambda: [local_health.disk()],
            "database": lambda: [local_health.database()],
            "redis": lambda: [local_health.message_broker()],
            "worker": lambda: [local_health.worker(node)],
            "watcher": lambda: [local_health.watcher()],
            "keys": lambda: [*key_health.certificates(), *key_health.ssh_key()],
            "hosts": host_health.hosts,
        }
        database_is_good = True
        for topic in TOPICS:
            if topic not in topics or (topic in ("watcher", "keys", "hosts") and not database_is_good):
                continue
            for finding in looks[topic]():
                database_is_good = database_is_good and not (topic == "database" and not finding.is_good)
                yield finding
