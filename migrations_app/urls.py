"""Addresses of the pages about moving guests."""

from __future__ import annotations

from django.urls import path

from migrations_app import quarantine_views, views

urlpatterns = [
    path("guests/<uuid:pk>/migrate/", views.migrate, name="migrate"),
    path("quarantine/", quarantine_views.disks, name="quarantine"),
    path("quarantine/<uuid:pk>/<str:wish>/", quarantine_views.ask, name="quarantine-ask"),
]
