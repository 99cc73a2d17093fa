"""Addresses of the pages about moving guests."""

from __future__ import annotations

from django.urls import path

from migrations_app import disk_views, forecast_views, map_views, policy_views, quarantine_views, views, views_bulk

urlpatterns = [
    path("guests/<uuid:pk>/migrate/", views.migrate, name="migrate"),
    path("guests/<uuid:pk>/disks/", disk_views.move_disks, name="move-disks"),
    path("guests/move/", views_bulk.move_guests, name="move-guests"),
    path("maps/", map_views.maps, name="maps"),
    path("maps/add/", map_views.add, name="map-add"),
    path("maps/<uuid:pk>/", map_views.edit, name="map-edit"),
    path("maps/<uuid:pk>/remove/", map_views.remove, name="map-remove"),
    path("forecasts/", forecast_views.forecasts, name="forecasts"),
    path("quarantine/", quarantine_views.disks, name="quarantine"),
    path("quarantine/<uuid:pk>/<str:wish>/", quarantine_views.ask, name="quarantine-ask"),
    path("policies/", policy_views.policies, name="policies"),
    path("policies/add/", policy_views.add, name="policy-add"),
    path("policies/<uuid:pk>/", policy_views.edit, name="policy-edit"),
    path("policies/<uuid:pk>/default/", policy_views.make_default, name="policy-default"),
    path("policies/<uuid:pk>/remove/", policy_views.remove, name="policy-remove"),
]
