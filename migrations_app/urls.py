"""Addresses of the pages about moving guests."""

from __future__ import annotations

from django.urls import path

from migrations_app import forecast_views, map_views, quarantine_views, views

urlpatterns = [
    path("guests/<uuid:pk>/migrate/", views.migrate, name="migrate"),
    path("maps/", map_views.maps, name="maps"),
    path("maps/add/", map_views.add, name="map-add"),
    path("maps/<uuid:pk>/", map_views.edit, name="map-edit"),
    path("maps/<uuid:pk>/remove/", map_views.remove, name="map-remove"),
    path("forecasts/", forecast_views.forecasts, name="forecasts"),
    path("quarantine/", quarantine_views.disks, name="quarantine"),
    path("quarantine/<uuid:pk>/<str:wish>/", quarantine_views.ask, name="quarantine-ask"),
]
