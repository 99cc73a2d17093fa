"""Addresses of the pages about moving guests."""

from __future__ import annotations

from django.urls import path

from migrations_app import views

urlpatterns = [path("guests/<uuid:pk>/migrate/", views.migrate, name="migrate")]
