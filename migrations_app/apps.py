"""The app that moves guests, by hand or by policy."""

from __future__ import annotations

from django.apps import AppConfig


class MigrationsConfig(AppConfig):
    """Migrations of guests between hosts."""

    name = "migrations_app"
    label = "migrations_app"
    verbose_name = "Migrations"

    def ready(self) -> None:
        """Tell the fleet who moves guests, what follows, how it is tried again, and who knows policies."""
        from fleet.inventory import policy_names  # noqa: PLC0415 - models are not there before ready()
        from fleet.jobs import endings, retries, runners  # noqa: PLC0415

        runners.register("migration", "migrations_app.flows.run.run")
        runners.register("moves", "migrations_app.flows.parents.follow")
        retries.register("migration", "migrations_app.flows.retry.retry")
        endings.register("migration", "migrations_app.flows.follow_up.ended")
        endings.register_sweep("migrations_app.flows.admit.sweep")
        policy_names.register("migrations_app.flows.policies.names")
