"""The policies that every installation begins with; admins may change or remove them like their own."""

from django.db import migrations

BUILT_IN = [
    {
        "name": "Balanced",
        "description": "For most guests: a short pause, and a busy guest is slowed down until the copy catches up.",
        "is_default": True,
    },
    {
        "name": "Encrypted",
        "description": "As Balanced, and never a byte of the guest in the clear.",
        "encryption": "required",
    },
    {
        "name": "Gentle",
        "description": "Nothing is done to the guest; one that writes faster than the link stays where it is.",
        "may_throttle": False,
        "bandwidth_share_percent": 50,
    },
    {
        "name": "May pause",
        "description": "For guests that may stand still for some seconds: always ends, without post-copy.",
        "max_pause_ms": 5_000,
        "may_throttle": False,
        "may_pause": True,
    },
    {
        "name": "Must move",
        "description": "For a host that has to be emptied: ends whatever the guest writes, with post-copy if need be.",
        "may_post_copy": True,
        "max_duration_s": 3_600,
    },
]


def add(apps, schema_editor):
    policy = apps.get_model("migrations_app", "MigrationPolicy")
    for fields in BUILT_IN:
        policy.objects.get_or_create(name=fields["name"], defaults=fields)


def remove(apps, schema_editor):
    apps.get_model("migrations_app", "MigrationPolicy").objects.all().delete()


class Migration(migrations.Migration):
    dependencies = [("migrations_app", "0006_policies")]

    operations = [migrations.RunPython(add, remove)]
