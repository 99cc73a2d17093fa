"""What every page goes through: signed in, refusals as words, no trace of a fault."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django_htmx.middleware import HtmxDetails

from fleet.access.principal import Principal
from fleet.refusals import Busy, Refused


class Request(HttpRequest):
    """A request after the middleware: who asks, and whether htmx wants a part of a page only."""

    principal: Principal | None
    htmx: HtmxDetails


View = Callable[..., HttpResponseBase]


def page(view: View) -> View:
    """For signed-in people only; a refusal that the view does not deal with itself becomes a page in words."""

    @wraps(view)
    def handle(request: Request, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.principal is None:
            return to_sign_in(request)
        try:
            return view(request, *args, **kwargs)
        except Refused as refusal:
            return render(request, "refused.html", {"refusal": refusal}, status=refusal.status)

    return handle


def to_sign_in(request: Request) -> HttpResponse:
    """To the sign-in page and back; htmx is told to load the whole page."""
    target = f"{reverse('sign-in')}?{urlencode({'next': request.get_full_path()})}"
    if request.headers.get("HX-Request"):
        return HttpResponse(status=204, headers={"HX-Redirect": target})
    return redirect(target)


def person(request: Request) -> Principal:
    """The signed-in person behind `page`."""
    assert request.principal is not None  # noqa: S101 - `page` sends strangers to the sign-in page
    return request.principal


@contextmanager
def saying(request: Request, done: str = "") -> Iterator[None]:
    """Run a flow; a refusal becomes a message on the next page, success becomes `done`."""
    try:
        yield
    except Refused as refusal:
        job = getattr(refusal, "job_id", "") if isinstance(refusal, Busy) else ""
        messages.error(
            request, refusal.text, extra_tags=f"{refusal.remedy}|{reverse('job', args=[job]) if job else ''}"
        )
    else:
        if done:
            messages.success(request, done)


def back(request: Request, otherwise: str) -> HttpResponse:
    """To the page that a button was pressed on, if it is ours."""
    target = request.POST.get("next", "")
    ours = url_has_allowed_host_and_scheme(target, {request.get_host()}, require_https=request.is_secure())
    return redirect(target if ours else otherwise)
