"""Every address of Drover: pages, REST, and the probes of whoever watches it."""

from __future__ import annotations

from django.urls import include, path

urlpatterns = [
    path("api/v1/", include("fleet.api.urls", namespace="api")),
    path("", include("migrations_app.urls")),
    path("", include("fleet.views.urls")),
]
