"""The app that moves guests, by hand or by policy."""

from __future__ import annotations

from django.apps import AppConfig


class MigrationsConfig(AppConfig):
    """Migrations of guests between hosts."""

    name = "migrations_app"
    label = "migrations_app"
    verbose_name = "Migrations"
