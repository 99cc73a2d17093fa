"""`guests/`: virtual machines, wherever they run."""

from __future__ import annotations

from typing import Any

import django_filters
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from fleet.api.endpoint import Listed
from fleet.api.etags import etag, require_match
from fleet.api.filters import Filters, Tag
from fleet.api.schema import IF_MATCH_MAYBE, problems
from fleet.api.serializers import GuestSerializer
from fleet.api.strict import Body, Words
from fleet.documents import guest_document
from fleet.inventory import guests as flows
from fleet.models import Guest
from fleet.states import GuestState, choices

_CONFIGURED = ("tags", "pinned", "policy", "watch_address")


class GuestBody(Body):
    """What people say about a guest; the rest its host says."""

    tags = Words(required=False)
    pinned = serializers.BooleanField(required=False, help_text="Plans and automatic choices never move it.")
    watch_address = serializers.IPAddressField(
        required=False,
        allow_null=True,
        help_text="Its silence during a move is measured there; null: as hosts know it.",
    )
    policy = serializers.CharField(
        required=False,
        allow_blank=True,
        max_length=60,
        help_text="A migration policy's name; empty: by tag, site or default.",
    )


class GuestFilters(Filters):
    """How the list of guests is narrowed."""

    name = django_filters.CharFilter()
    uuid = django_filters.UUIDFilter()
    host = django_filters.CharFilter(method="by_id_or_name")
    site = django_filters.CharFilter(field_name="host__site__slug")
    state = django_filters.ChoiceFilter(choices=choices(GuestState))
    pinned = django_filters.BooleanFilter()
    runs_twice = django_filters.BooleanFilter(field_name="runs_twice_since", lookup_expr="isnull", exclude=True)
    tag = Tag()


@extend_schema_view(
    list=extend_schema(responses={200: GuestSerializer(many=True), **problems()}),
    retrieve=extend_schema(responses={200: GuestSerializer, **problems(404)}),
)
class Guests(Listed):
    """Virtual machines."""

    serializer_class = GuestSerializer
    filterset_class = GuestFilters
    search_fields = ("name",)
    ordering_fields = ("name", "state", "memory_mib", "vcpus", "cpu_percent")

    def get_queryset(self) -> QuerySet[Guest]:
        """Guests on hosts at the caller's sites."""
        return self.principal.restrict(Guest.objects.for_documents(), "host__site")

    def document(self, row: Guest) -> dict[str, Any]:
        """A guest."""
        return guest_document(row)

    def retrieve(self, request: Request, pk: Any = None) -> Response:
        """One guest, with the ETag of what people say about it."""
        return self._answer(self.get_object())

    @extend_schema(
        request=GuestBody, parameters=[IF_MATCH_MAYBE], responses={200: GuestSerializer, **problems(404, 412, 422)}
    )
    def partial_update(self, request: Request, pk: Any = None) -> Response:
        """Change a guest's tags or policy, or pin it to its host."""
        row: Guest = self.get_object()
        self.principal.require("guest.change", row.host.site_id if row.host else None, what=row.name)
        require_match(request, etag(self.document(row), _CONFIGURED), optional=True)
        fields = self.body(GuestBody, partial=True)
        return self._answer(flows.change_guest(principal=self.principal, guest=row, **fields))

    def _answer(self, row: Guest) -> Response:
        document = self.document(row)
        return Response(document, headers={"ETag": etag(document, _CONFIGURED)})
