"""Checks that no row of the audit log was changed or removed."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from fleet.access import audit


class Command(BaseCommand):
    help = "Checks the audit log's chain; fails and names the first row that does not hold."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--known-head",
            default="",
            metavar="ID:CHAIN",
            help="a head seen earlier (this command's output, or a line of the drover.audit log): "
            "it must still be in the table, which also finds a cut-off end and a log rewritten as a whole",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        verdict = audit.verify(options["known_head"])
        if verdict.fault:
            raise CommandError(f"The audit log does not hold: {verdict.fault}. Rows before that hold: {verdict.rows}.")
        self.stdout.write(f"{verdict.rows} rows hold. Head: {verdict.head}")
