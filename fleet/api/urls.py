"""The fleet's part of the API; `fleet.urls` joins it with the other apps' parts under the one namespace "api"."""

from __future__ import annotations

from django.urls import path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.routers import SimpleRouter

from fleet.api import schema  # noqa: F401 - its classes register themselves
from fleet.api.audit import Audit
from fleet.api.guests import Guests
from fleet.api.hosts import Hosts
from fleet.api.jobs import Events, Jobs
from fleet.api.sites import SiteLinks, Sites
from fleet.api.tokens import Tokens

router = SimpleRouter(use_regex_path=False)
router.register("sites", Sites, basename="site")
router.register("site-links", SiteLinks, basename="site-link")
router.register("hosts", Hosts, basename="host")
router.register("guests", Guests, basename="guest")
router.register("jobs", Jobs, basename="job")
router.register("events", Events, basename="event")
router.register("audit", Audit, basename="audit")
router.register("tokens", Tokens, basename="token")

urlpatterns = [
    *router.urls,
    path("schema/", SpectacularAPIView.as_view(), name="schema"),
    # The split view keeps its script in an answer of its own: the content security policy allows none inline.
    path("docs/", SpectacularSwaggerSplitView.as_view(url_name="api:schema"), name="docs"),
]
