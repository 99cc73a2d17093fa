"""The app that moves guests, by hand or by policy."""

from __future__ import annotations

from django.apps import AppConfig


class MigrationsConfig(AppConfig):
    """Migrations of guests between hosts."""

    name = "migrations_app"
    label = "migrations_app"
    verbose_name = "Migrations"

    def ready(self) -> None:
        """Tell the job engine who does migrations, and the inventory who knows policies."""
        from fleet.inventory import policy_names  # noqa: PLC0415 - models are not there before ready()
        from fleet.jobs import runners  # noqa: PLC0415

        runners.register("migration", "migrations_app.flows.run.run")
        policy_names.register("migrations_app.flows.policies.names")
