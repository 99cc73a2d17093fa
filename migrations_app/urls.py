"""Addresses of the pages about moving guests."""

from __future__ import annotations

from django.urls import path

from migrations_app import views, views_bulk

urlpatterns = [
    path("guests/<uuid:pk>/migrate/", views.migrate, name="migrate"),
    path("guests/move/", views_bulk.move_guests, name="move-guests"),
]
