"""The app that will bring machines in from elsewhere (V2V and P2V); empty until that work begins."""

from __future__ import annotations

from django.apps import AppConfig


class ConversionsConfig(AppConfig):
    """Imports of virtual and physical machines."""

    name = "conversions"
    verbose_name = "Conversions"
