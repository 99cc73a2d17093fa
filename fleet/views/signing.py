"""Signing in and out: by password, or by a one-time link that is used up by a press only."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from fleet.access import sign_in as flows
from fleet.refusals import Refused
from fleet.views.doors import Request


@sensitive_post_parameters("password")
@never_cache
@require_http_methods(["GET", "POST"])
def sign_in(request: Request) -> HttpResponse:
    """Name and password."""
    target = _target(request)
    if request.principal is not None:
        return redirect(target)
    refusal: Refused | None = None
    if request.method == "POST":
        name, password = request.POST.get("name", "").strip(), request.POST.get("password", "")
        try:
            flows.by_password(request=request, user_name=name, password=password)
            return redirect(target)
        except Refused as caught:
            refusal = caught
    context = {"refusal": refusal, "next": request.POST.get("next", request.GET.get("next", ""))}
    return render(request, "sign_in.html", context, status=refusal.status if refusal else 200)


@never_cache
@require_http_methods(["GET", "POST"])
def login_link(request: Request, token: str) -> HttpResponse:
    """The landing page of a one-time link: previews may look, only a press of the button signs in."""
    refusal: Refused | None = None
    if request.method == "POST":
        try:
            flows.by_link(request=request, token=token)
            return redirect("home")
        except Refused as caught:
            refusal = caught
    return render(request, "login_link.html", {"refusal": refusal}, status=refusal.status if refusal else 200)


@require_POST
def sign_out(request: Request) -> HttpResponse:
    """End the session."""
    flows.out(request=request)
    messages.success(request, "You are signed out.")
    return redirect("sign-in")


def _target(request: Request) -> str:
    wanted = request.POST.get("next", request.GET.get("next", ""))
    ours = url_has_allowed_host_and_scheme(wanted, {request.get_host()}, require_https=request.is_secure())
    return wanted if ours else reverse("home")
