"""Prints a link that signs a person in once."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from fleet.access import audit, login_links
from fleet.access.principal import Principal
from fleet.models import Grant
from fleet.states import Role


class Command(BaseCommand):
    help = "Prints a link that signs a user in, once and within some minutes."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--user", required=True, metavar="NAME", help="whom it signs in")
        parser.add_argument("--create-admin", action="store_true", help="make the user, as an admin, if there is none")
        parser.add_argument("--minutes", type=int, default=10, help="how long it holds (default: 10)")
        parser.add_argument(
            "--address", default="", metavar="URL", help="Drover's address, put in front of the path that is printed"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        name, minutes = options["user"], options["minutes"]
        if minutes < 1:
            raise CommandError(f"A link that holds for {minutes} minutes is of no use; write at least 1.")
        user = User.objects.filter(username=name).first()
        if user is None and not options["create_admin"]:
            raise CommandError(f"There is no user '{name}'. Add --create-admin to make one with the role admin.")
        if user is not None and not user.is_active:
            raise CommandError(f"The user '{name}' is inactive.")
        with transaction.atomic():
            if user is None:
                # Without a password: the link is the way in, and a password can be set later.
                user = User.objects.create_user(name)
                Grant.objects.create(user=user, role=Role.ADMIN.value)
            path = login_links.make(user, minutes=minutes)
            login_links.forget_old()
            audit.record(
                principal=Principal.system(door="command"),
                verb="login_link.make",
                subject=("user", str(user.pk), name),
                outcome="done",
                detail=f"holds for {minutes} minutes",
            )
        self.stdout.write(f"{options['address'].rstrip('/')}{path}")
