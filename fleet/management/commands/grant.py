"""Gives a person a role, everywhere or at one site."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from fleet.access import audit
from fleet.access.principal import Principal
from fleet.models import Grant, Site
from fleet.states import Role


class Command(BaseCommand):
    help = "Gives a user a role, in place of the one held there before. With --role none it is taken away."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--user", required=True, metavar="NAME")
        parser.add_argument("--role", required=True, choices=[*(role.value for role in Role), "none"])
        parser.add_argument("--site", default="", metavar="SLUG", help="only at this site (default: everywhere)")
        parser.add_argument(
            "--create", action="store_true", help="make the user, without a password: let them in by a login_link"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        name, role = options["user"], options["role"]
        user = User.objects.filter(username=name).first()
        if user is None and not options["create"]:
            raise CommandError(f"There is no user '{name}'. Add --create to make one.")
        site = Site.objects.filter(slug=options["site"]).first()
        if options["site"] and site is None:
            known = ", ".join(Site.objects.values_list("slug", flat=True)) or "none yet"
            raise CommandError(f"There is no site '{options['site']}'. Known sites: {known}.")
        with transaction.atomic():
            user = user or User.objects.create_user(name)
            if role == "none":
                Grant.objects.filter(user=user, site=site).delete()
            else:
                Grant.objects.update_or_create(user=user, site=site, defaults={"role": role})
            audit.record(
                principal=Principal.system(door="command"),
                verb="role.grant",
                subject=("user", str(user.pk), name),
                outcome="done",
                after={"role": role, "site": site.slug if site else None},
            )
        self.stdout.write(f"{name}: {role} {f'at {site}' if site else 'everywhere'}")
