"""Tells whether an exported receipt is genuine; needs no database."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from migrations_app.receipts import own_key, seal


class Command(BaseCommand):
    help = "Checks an exported receipt against this installation's key, or another's. Fails when it is not genuine."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="the downloaded receipt")
        parser.add_argument(
            "--key", type=Path, metavar="PEM", help="the public key of the Drover that signed it; left out: our own"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            document = json.loads(options["file"].read_text())
            key = seal.read_pem(options["key"].read_text() if options["key"] else own_key.public_pem())
            verdict = seal.check(document, key)
        except OSError as error:
            raise CommandError(f"{error.filename} cannot be read: {error.strerror}") from None
        except (seal.BadReceipt, UnicodeDecodeError, json.JSONDecodeError) as error:
            raise CommandError(f"NOT GENUINE. {error}") from None
        if not verdict.genuine:
            raise CommandError(f"NOT GENUINE. {verdict.words}")
        told = document["receipt"]
        proven = "" if told.get("proven", True) else " Not everything was proven: see its evidence."
        text = f"{told.get('guest')} moved from {told.get('source')} to {told.get('destination')}"
        self.stdout.write(f"{verdict.words} {text}, done {told.get('finished_at')}.{proven}")
