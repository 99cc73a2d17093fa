"""Addresses of the pages about moving guests."""

from __future__ import annotations

from django.urls import path

from migrations_app import policy_views, views

urlpatterns = [
    path("guests/<uuid:pk>/migrate/", views.migrate, name="migrate"),
    path("policies/", policy_views.policies, name="policies"),
    path("policies/add/", policy_views.add, name="policy-add"),
    path("policies/<uuid:pk>/", policy_views.edit, name="policy-edit"),
    path("policies/<uuid:pk>/default/", policy_views.make_default, name="policy-default"),
    path("policies/<uuid:pk>/remove/", policy_views.remove, name="policy-remove"),
]
