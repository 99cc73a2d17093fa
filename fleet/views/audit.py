"""The audit log, for admins."""

from __future__ import annotations

from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from fleet.models import AuditEvent
from fleet.views.doors import Request, page, person
from fleet.views.lists import listing

COLUMNS = {
    "at": ("When", "id", ""),
    "who": ("Who", "user_name", ""),
    "verb": ("What", "verb", ""),
    "subject": ("On", "subject_name", ""),
    "outcome": ("Outcome", "outcome", ""),
    "door": ("From", "door", "wide-only"),
    "detail": ("Change", "", "wide-only"),
}


@page
@require_safe
def audit(request: Request) -> HttpResponse:
    """Who did what, the newest first."""
    person(request).require("audit.view")
    found = AuditEvent.objects.all()
    if text := request.GET.get("q", "").strip():
        found = found.filter(Q(user_name__icontains=text) | Q(verb__icontains=text) | Q(subject_name__icontains=text))
    if outcome := request.GET.get("outcome"):
        found = found.filter(outcome=outcome)
    rows = listing(request, found, columns=COLUMNS, default="-at", filters=("q", "outcome"))
    return render(request, "fleet/_audit_list.html" if request.htmx else "fleet/audit.html", {"rows": rows})
