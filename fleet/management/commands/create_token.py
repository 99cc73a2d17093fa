"""Makes an API token and prints it, alone, on stdout."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from fleet.access import token_flows
from fleet.access.principal import Principal
from fleet.models import Site
from fleet.refusals import Refused
from fleet.states import Role


class Command(BaseCommand):
    help = "Makes an API token for a user and prints it, alone. It is shown only now: Drover keeps its hash."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--user", required=True, metavar="NAME", help="whose token it is")
        parser.add_argument(
            "--role", choices=[role.value for role in Role], help="the most it may do (default: what its user may)"
        )
        parser.add_argument("--site", default="", metavar="SLUG", help="it works at this site only")
        parser.add_argument("--name", default="", help="what it is for, as people will read it in lists")
        parser.add_argument("--days", type=int, help="it expires after so many days (default: never)")

    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.filter(username=options["user"]).first()
        if user is None:
            raise CommandError(
                f"There is no user '{options['user']}'. Make one with: manage.py grant --user {options['user']} "
                "--role operator --create"
            )
        site = _site(options["site"]) if options["site"] else None
        principal = Principal.of_user(user, door="command")
        held = principal.role_at(site.id) if site else principal.best_role
        if held is None:
            raise CommandError(
                f"{user} has no role{f' at {site}' if site else ''}. Give one with: manage.py grant --user {user} "
                "--role operator"
            )
        expires_at = timezone.now() + timedelta(days=options["days"]) if options["days"] is not None else None
        try:
            _, text = token_flows.issue(
                principal=principal,
                role=Role(options["role"] or held),
                site=site,
                name=options["name"],
                expires_at=expires_at,
            )
        except Refused as refusal:
            raise CommandError(f"{refusal.text} {refusal.remedy}".strip()) from refusal
        self.stdout.write(text)


def _site(slug: str) -> Site:
    site = Site.objects.filter(slug=slug).first()
    if site is None:
        known = ", ".join(Site.objects.values_list("slug", flat=True)) or "none yet"
        raise CommandError(f"There is no site '{slug}'. Known sites: {known}.")
    return site
