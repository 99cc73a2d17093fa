"""Every address of Drover: pages, REST, and the probes of whoever watches it."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path, re_path

from fleet.api import probes
from fleet.api.endpoint import Missing

# One namespace for all apps, so that a document of the fleet may name an address of another app.
api: list[URLPattern | URLResolver] = [
    path("", include("fleet.api.urls")),
    path("", include("migrations_app.api_urls")),
    re_path("", Missing.as_view()),
]

urlpatterns = [
    path("healthz", probes.healthz, name="healthz"),
    path("readyz", probes.readyz, name="readyz"),
    path("metrics", probes.metrics, name="metrics"),
    path("api/v1/", include((api, "api"))),
    path("", include("migrations_app.urls")),
    path("", include("fleet.views.urls")),
]
