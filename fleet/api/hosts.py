"""`hosts/`: machines with libvirt, added by saying where they are and never by a libvirt address."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import django_filters
from django.db.models import Q, QuerySet
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_view
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from fleet.api import lookups, parameters
from fleet.api.endpoint import Listed
from fleet.api.etags import etag, require_match
from fleet.api.filters import Tag
from fleet.api.schema import DRY_RUN, IF_MATCH, problems
from fleet.api.serializers import HostSerializer
from fleet.api.strict import Body, Words
from fleet.documents import host_document
from fleet.inventory import maintenance, refresh, register
from fleet.models import Host
from fleet.states import HostState

_CONFIGURED = (
    *("name", "address", "transport", "port", "username", "site", "migration_address", "tags"),
    *("max_moves_out", "max_moves_in", "migration_bandwidth_mbps"),
)


class HostBody(Body):
    """A host as people write it."""

    name = serializers.CharField(max_length=100)
    address = serializers.CharField(max_length=253, help_text="A host name or IP address, nothing else.")
    transport = serializers.ChoiceField(Host.Transport.choices)
    port = serializers.IntegerField(min_value=1, max_value=65535, allow_null=True, required=False)
    username = serializers.CharField(max_length=32, allow_blank=True, required=False, help_text="For ssh.")
    site = serializers.CharField(allow_null=True, required=False, help_text="A site's slug or id.")
    migration_address = serializers.CharField(
        max_length=253, allow_blank=True, required=False, help_text="Where other hosts reach it for migrations."
    )
    tags = Words(required=False)
    max_moves_out = serializers.IntegerField(
        min_value=0, max_value=1000, allow_null=True, required=False, help_text="Moves at once from here."
    )
    max_moves_in = serializers.IntegerField(
        min_value=0, max_value=1000, allow_null=True, required=False, help_text="Moves at once to here."
    )
    migration_bandwidth_mbps = serializers.IntegerField(
        min_value=1,
        max_value=10_000_000,
        allow_null=True,
        required=False,
        help_text="What its network card gives to moving guests; with it known, moves share it out.",
    )
    ssh_host_key = serializers.CharField(
        max_length=4000,
        allow_blank=True,
        required=False,
        write_only=True,
        help_text='The key to trust, as `data.key` of the refusal "host_key_unknown" shows it.',
    )


class MaintenanceBody(Body):
    """Into maintenance or out of it."""

    action = serializers.ChoiceField(["enter", "leave"])


class HostFilters(django_filters.FilterSet):
    """How the list of hosts is narrowed."""

    name = django_filters.CharFilter()
    address = django_filters.CharFilter()
    site = django_filters.CharFilter(field_name="site__slug")
    transport = django_filters.ChoiceFilter(choices=Host.Transport.choices)
    state = django_filters.ChoiceFilter(choices=[(state.value, state.name) for state in HostState], method="by_state")
    maintenance = django_filters.BooleanFilter()
    tag = Tag()

    def by_state(self, queryset: QuerySet[Host], name: str, value: str) -> QuerySet[Host]:
        """The rows' twin of `Host.state`."""
        answers = Q(contact=Host.Contact.UP)
        if value == HostState.MAINTENANCE:
            return queryset.filter(answers, maintenance=True)
        if value == HostState.UP:
            return queryset.filter(answers, maintenance=False)
        return queryset.filter(contact=value)


@extend_schema_view(
    list=extend_schema(responses={200: HostSerializer(many=True), **problems()}),
    retrieve=extend_schema(responses={200: HostSerializer, **problems(404)}),
)
class Hosts(Listed):
    """Machines with libvirt."""

    serializer_class = HostSerializer
    filterset_class = HostFilters
    search_fields = ("name", "address")
    ordering_fields = ("name", "cpus", "memory_mib", "memory_used_mib", "cpu_percent", "last_seen_at")
    parameters = {"create": frozenset({"dry_run"})}

    def get_queryset(self) -> QuerySet[Host]:
        """Hosts at the caller's sites."""
        return self.principal.restrict(Host.objects.for_documents(), "site")

    def document(self, row: Host) -> dict[str, Any]:
        """A host."""
        return host_document(row)

    def retrieve(self, request: Request, pk: Any = None) -> Response:
        """One host, with the ETag of its configuration."""
        return self._answer(self.get_object())

    @extend_schema(
        request=HostBody,
        parameters=[DRY_RUN],
        responses={201: HostSerializer, 200: HostSerializer, **problems(409, 422)},
    )
    def create(self, request: Request) -> Response:
        """Connect to a host, look at it, and add it with its guests."""
        # Before the body is looked at: who may not add hosts need not learn how.
        if not self.principal.allows_somewhere("host.add"):
            self.principal.require("host.add")
        dry_run = parameters.flag(request, "dry_run")
        row = register.add_host(principal=self.principal, **self._fields(), dry_run=dry_run)
        return self._answer(row) if dry_run else self._answer(self._again(row.pk), status.HTTP_201_CREATED)

    @extend_schema(
        request=HostBody, parameters=[IF_MATCH], responses={200: HostSerializer, **problems(404, 409, 412, 422, 428)}
    )
    def partial_update(self, request: Request, pk: Any = None) -> Response:
        """Change a host's configuration; it is connected to again where that matters."""
        row = self._for("host.change")
        require_match(request, self._etag(row))
        register.change_host(principal=self.principal, host=row, **self._fields(partial=True))
        return self._answer(self._again(row.pk))

    @extend_schema(parameters=[IF_MATCH], responses={204: OpenApiResponse(), **problems(404, 409, 412, 422, 428)})
    def destroy(self, request: Request, pk: Any = None) -> Response:
        """Forget a host; nothing on it is touched."""
        row = self._for("host.remove")
        require_match(request, self._etag(row))
        register.remove_host(principal=self.principal, host=row)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=None, responses={200: HostSerializer, **problems(404, 422)})
    @action(detail=True, methods=["post"])
    def refresh(self, request: Request, pk: Any = None) -> Response:
        """Ask the host now."""
        row = self._for("host.refresh")
        refresh.refresh_host(principal=self.principal, host=row)
        return self._answer(self._again(row.pk))

    @extend_schema(request=MaintenanceBody, responses={200: HostSerializer, **problems(404, 409, 422)})
    @action(detail=True, methods=["post"])
    def maintenance(self, request: Request, pk: Any = None) -> Response:
        """Take the host into maintenance, or out of it."""
        row = self._for("host.maintenance")
        entering = self.body(MaintenanceBody)["action"] == "enter"
        maintenance.set_maintenance(principal=self.principal, host=row, on=entering)
        return self._answer(self._again(row.pk))

    def _for(self, verb: str) -> Host:
        row: Host = self.get_object()
        self.principal.require(verb, row.site_id, what=row.name)
        return row

    def _again(self, pk: UUID) -> Host:
        return Host.objects.for_documents().get(pk=pk)

    def _fields(self, *, partial: bool = False) -> dict[str, Any]:
        fields = self.body(HostBody, partial=partial)
        if "site" in fields:
            fields["site"] = lookups.site(self.principal, fields["site"])
        return fields

    def _etag(self, row: Host) -> str:
        return etag(self.document(row), _CONFIGURED)

    def _answer(self, row: Host, code: int = status.HTTP_200_OK) -> Response:
        document = self.document(row)
        headers = {"ETag": etag(document, _CONFIGURED)}
        if code == status.HTTP_201_CREATED:
            headers["Location"] = document["url"]
        return Response(document, status=code, headers=headers)
