"""What is measured of a guest's memory: the set it writes again and again, and how much of it is used."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("fleet", "0006_tried_again")]

    operations = [
        migrations.AddField(
            model_name="guest",
            name="dirty_set_bytes",
            field=models.PositiveBigIntegerField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="guest",
            name="memory_used_mib",
            field=models.PositiveBigIntegerField(blank=True, null=True),
        ),
    ]
