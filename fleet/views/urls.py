"""Addresses of the fleet's pages."""

from __future__ import annotations

from django.urls import path

from fleet.views import audit, guests, home, host_changes, hosts, jobs, signing, sites, tokens

urlpatterns = [
    path("", home.home, name="home"),
    path("hosts/", hosts.hosts, name="hosts"),
    path("hosts/add/", host_changes.add, name="host-add"),
    path("hosts/<uuid:pk>/", hosts.host, name="host"),
    path("hosts/<uuid:pk>/edit/", host_changes.edit, name="host-edit"),
    path("hosts/<uuid:pk>/refresh/", host_changes.refresh_now, name="host-refresh"),
    path("hosts/<uuid:pk>/maintenance/", host_changes.maintain, name="host-maintenance"),
    path("hosts/<uuid:pk>/remove/", host_changes.remove, name="host-remove"),
    path("guests/", guests.guests, name="guests"),
    path("guests/<uuid:pk>/", guests.guest, name="guest"),
    path("guests/<uuid:pk>/change/", guests.change, name="guest-change"),
    path("jobs/", jobs.jobs, name="jobs"),
    path("jobs/<uuid:pk>/", jobs.job, name="job"),
    path("jobs/<uuid:pk>/cancel/", jobs.cancel, name="job-cancel"),
    path("jobs/<uuid:pk>/retry/", jobs.retry, name="job-retry"),
    path("jobs/<uuid:pk>/steer/<str:kind>/", jobs.steer, name="job-steer"),
    path("sites/", sites.sites, name="sites"),
    path("sites/add/", sites.add, name="site-add"),
    path("sites/<uuid:pk>/", sites.edit, name="site-edit"),
    path("sites/<uuid:pk>/remove/", sites.remove, name="site-remove"),
    path("tokens/", tokens.tokens, name="tokens"),
    path("tokens/<uuid:pk>/revoke/", tokens.revoke, name="token-revoke"),
    path("audit/", audit.audit, name="audit"),
    path("sign-in/", signing.sign_in, name="sign-in"),
    path("sign-in/<str:token>/", signing.login_link, name="login-link"),
    path("sign-out/", signing.sign_out, name="sign-out"),
]
