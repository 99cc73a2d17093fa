"""The migrations' part of the API; `fleet.urls` puts it under the namespace "api"."""

from __future__ import annotations

from django.urls import path
from rest_framework.routers import SimpleRouter

from migrations_app.api import Destinations, Migrations
from migrations_app.api_policies import MigrationPolicies

router = SimpleRouter(use_regex_path=False)
router.register("migration-policies", MigrationPolicies, basename="migration-policy")
router.register("migrations", Migrations, basename="migration")

urlpatterns = [
    *router.urls,
    path("guests/<uuid:pk>/destinations/", Destinations.as_view({"get": "read"}), name="guest-destinations"),
]
