"""The fleet app: what exists and what is being done."""

from __future__ import annotations

from django.apps import AppConfig


class FleetConfig(AppConfig):
    """Sites, hosts, guests, jobs and who may touch them."""

    name = "fleet"
    verbose_name = "Fleet"
