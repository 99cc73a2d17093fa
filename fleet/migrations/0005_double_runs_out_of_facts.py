"""Guests that ran twice under the release before: out of the facts, into the field."""

from django.db import migrations
from django.utils import timezone


def into_field(apps, schema_editor):
    guests = apps.get_model("fleet", "Guest").objects.filter(facts__has_key="double_run")
    for guest in guests.only("pk", "facts"):
        names = guest.facts.pop("double_run") or []
        since = timezone.now() if names else None
        guests.filter(pk=guest.pk).update(facts=guest.facts, runs_twice_on=names, runs_twice_since=since)


def into_facts(apps, schema_editor):
    guests = apps.get_model("fleet", "Guest").objects
    for guest in guests.filter(runs_twice_since__isnull=False).only("pk", "facts", "runs_twice_on"):
        guests.filter(pk=guest.pk).update(facts={**guest.facts, "double_run": guest.runs_twice_on})


class Migration(migrations.Migration):

    dependencies = [
        ("fleet", "0004_guests_that_run_twice"),
    ]

    operations = [migrations.RunPython(into_field, into_facts)]
