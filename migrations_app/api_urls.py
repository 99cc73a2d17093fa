"""The migrations' part of the API; `fleet.urls` puts it under the namespace "api"."""

from __future__ import annotations

from django.urls import path
from rest_framework.routers import SimpleRouter

from migrations_app.api import Destinations, Migrations
from migrations_app.api_difference import Difference
from migrations_app.api_forecasts import Forecasts
from migrations_app.api_maps import Maps
from migrations_app.api_policies import MigrationPolicies
from migrations_app.api_quarantine import Quarantine
from migrations_app.api_receipts import Receipts

router = SimpleRouter(use_regex_path=False)
router.register("migration-policies", MigrationPolicies, basename="migration-policy")
router.register("migrations", Migrations, basename="migration")
router.register("maps", Maps, basename="map")
router.register("forecasts", Forecasts, basename="forecast")
router.register("quarantine", Quarantine, basename="quarantine")

urlpatterns = [
    *router.urls,
    path("migrations/<uuid:pk>/receipt/", Receipts.as_view({"get": "read"}), name="migration-receipt"),
    path("receipts/key/", Receipts.as_view({"get": "key"}), name="receipts-key"),
    path("guests/<uuid:pk>/destinations/", Destinations.as_view({"get": "read"}), name="guest-destinations"),
    path("guests/<uuid:pk>/xml-difference/", Difference.as_view({"get": "read"}), name="guest-difference"),
]
