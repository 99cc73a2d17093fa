"""`maps/`: what a guest's networks, pools and folders are called where it goes."""

from __future__ import annotations

from typing import Any

import django_filters
from django.db.models import QuerySet
from django.urls import reverse
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_field, extend_schema_view
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from fleet.api import lookups
from fleet.api.endpoint import Listed
from fleet.api.etags import etag, require_match
from fleet.api.schema import IF_MATCH, problems
from fleet.api.strict import Body
from migrations_app import map_rules
from migrations_app.flows import map_changes
from migrations_app.models import TargetMap

_FIELDS = ("name", "description", "rules", "source_site", "target_site")
_RULE = {
    "type": "object",
    "properties": {"from": {"type": "string"}, "to": {"type": "string"}},
    "required": ["from", "to"],
    "additionalProperties": False,
}
_RULES = {
    "type": "object",
    "properties": {
        part: {"type": "string"} if part == "graphics_listen" else {"type": "array", "items": _RULE}
        for part in map_rules.PARTS
    },
    "additionalProperties": False,
}


@extend_schema_field(_RULES)
class RulesField(serializers.JSONField):
    """A map's rules; a wrong one is refused where it stands."""

    default_error_messages = {"no_object": "rules must be an object of networks, pools, paths and graphics_listen."}

    def to_internal_value(self, data: Any) -> Any:
        """An object; what stands in it is looked at by the flow, which names the rule."""
        if not isinstance(data, dict):
            self.fail("no_object")
        return data


class MapBody(Body):
    """A map as people write it."""

    name = serializers.CharField(max_length=60)
    description = serializers.CharField(max_length=200, allow_blank=True, required=False)
    rules = RulesField(help_text='Networks are written "network:NAME" or "bridge:NAME", paths are folders.')
    source_site = serializers.CharField(
        allow_null=True, required=False, help_text="With a target site: holds by itself for moves between the two."
    )
    target_site = serializers.CharField(allow_null=True, required=False, help_text="A site's slug or id.")


class MapSerializer(serializers.Serializer[Any]):
    """A map."""

    id = serializers.UUIDField()
    url = serializers.CharField()
    name = serializers.CharField()
    description = serializers.CharField()
    rules = RulesField()
    source_site = serializers.CharField(allow_null=True)
    target_site = serializers.CharField(allow_null=True)


class MapFilters(django_filters.FilterSet):
    """How the list of maps is narrowed."""

    name = django_filters.CharFilter()
    source_site = django_filters.CharFilter(field_name="source_site__slug")
    target_site = django_filters.CharFilter(field_name="target_site__slug")


@extend_schema_view(
    list=extend_schema(responses={200: MapSerializer(many=True), **problems()}),
    retrieve=extend_schema(responses={200: MapSerializer, **problems(404)}),
)
class Maps(Listed):
    """What things are called elsewhere."""

    serializer_class = MapSerializer
    filterset_class = MapFilters
    search_fields = ("name", "description")
    ordering_fields = ("name",)

    def get_queryset(self) -> QuerySet[TargetMap]:
        """Maps of sites where the caller has a role, and those of no site."""
        return map_changes.visible(self.principal)

    def document(self, row: TargetMap) -> dict[str, Any]:
        """A map."""
        return {"id": str(row.pk), "url": reverse("api:map-detail", args=[row.pk]), **map_changes.document(row)}

    @extend_schema(request=MapBody, responses={201: MapSerializer, **problems(422)})
    def create(self, request: Request) -> Response:
        """Add a map."""
        self.principal.require("map.change")
        row = map_changes.add(principal=self.principal, **self._fields(partial=False))
        return self._answer(row, status.HTTP_201_CREATED)

    def retrieve(self, request: Request, pk: Any = None) -> Response:
        """One map, with its ETag."""
        return self._answer(self.get_object())

    @extend_schema(
        request=MapBody, parameters=[IF_MATCH], responses={200: MapSerializer, **problems(404, 412, 422, 428)}
    )
    def partial_update(self, request: Request, pk: Any = None) -> Response:
        """Change a map; moves that were decided already keep the rules they were decided with."""
        row = self._guarded(request)
        return self._answer(map_changes.change(principal=self.principal, row=row, **self._fields(partial=True)))

    @extend_schema(parameters=[IF_MATCH], responses={204: OpenApiResponse(), **problems(404, 412, 428)})
    def destroy(self, request: Request, pk: Any = None) -> Response:
        """Remove a map."""
        map_changes.remove(principal=self.principal, row=self._guarded(request))
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _guarded(self, request: Request) -> TargetMap:
        row: TargetMap = self.get_object()
        self.principal.require("map.change", what=row.name)
        require_match(request, etag(self.document(row), _FIELDS))
        return row

    def _fields(self, *, partial: bool) -> dict[str, Any]:
        fields = self.body(MapBody, partial=partial)
        for end in {"source_site", "target_site"} & set(fields):
            fields[end] = lookups.site(self.principal, fields[end], field=end)
        return fields

    def _answer(self, row: TargetMap, code: int = status.HTTP_200_OK) -> Response:
        document = self.document(row)
        headers = {"ETag": etag(document, _FIELDS)}
        if code == status.HTTP_201_CREATED:
            headers["Location"] = document["url"]
        return Response(document, status=code, headers=headers)
