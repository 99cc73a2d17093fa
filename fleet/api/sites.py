"""`sites/` and `site-links/`: where hosts stand, and what lies between."""

from __future__ import annotations

from typing import Any

import django_filters
from django.db.models import QuerySet
from django.urls import reverse
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_view
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from fleet.api import lookups
from fleet.api.endpoint import Listed
from fleet.api.etags import etag, require_match
from fleet.api.schema import IF_MATCH, problems
from fleet.api.serializers import SiteLinkSerializer, SiteSerializer
from fleet.api.strict import Body
from fleet.inventory import site_links
from fleet.inventory import sites as flows
from fleet.models import Site, SiteLink

_SITE_FIELDS = ("slug", "name", "latitude", "longitude", "time_zone", "max_moves")
_LINK_FIELDS = ("source", "target", "bandwidth_mbps", "round_trip_ms", "max_moves")


class SiteBody(Body):
    """A site as people write it."""

    slug = serializers.SlugField(max_length=50)
    name = serializers.CharField(max_length=100)
    latitude = serializers.FloatField(min_value=-90, max_value=90, allow_null=True, required=False)
    longitude = serializers.FloatField(min_value=-180, max_value=180, allow_null=True, required=False)
    time_zone = serializers.CharField(max_length=64, required=False, help_text="An IANA name.")
    max_moves = serializers.IntegerField(
        min_value=0, max_value=1000, allow_null=True, required=False, help_text="Moves at once from and to here."
    )


class SiteLinkBody(Body):
    """A link as people write it."""

    source = serializers.CharField(help_text="A site's slug or id.")  # type: ignore[assignment]
    target = serializers.CharField(help_text="A site's slug or id.")
    bandwidth_mbps = serializers.IntegerField(min_value=1, max_value=10_000_000)
    round_trip_ms = serializers.FloatField(min_value=0, max_value=100_000, allow_null=True, required=False)
    max_moves = serializers.IntegerField(
        min_value=0, max_value=1000, allow_null=True, required=False, help_text="Moves at once over this link."
    )


class SiteFilters(django_filters.FilterSet):
    """How the list of sites is narrowed."""

    slug = django_filters.CharFilter()
    name = django_filters.CharFilter()


class SiteLinkFilters(django_filters.FilterSet):
    """How the list of links is narrowed."""

    source = django_filters.CharFilter(field_name="source__slug")
    target = django_filters.CharFilter(field_name="target__slug")


@extend_schema_view(
    list=extend_schema(responses={200: SiteSerializer(many=True), **problems()}),
    retrieve=extend_schema(responses={200: SiteSerializer, **problems(404)}),
)
class Sites(Listed):
    """Places where hosts stand."""

    serializer_class = SiteSerializer
    filterset_class = SiteFilters
    search_fields = ("slug", "name")
    ordering_fields = ("slug", "name")

    def get_queryset(self) -> QuerySet[Site]:
        """Sites at which the caller has a role."""
        return self.principal.restrict(Site.objects.all(), "pk")

    def document(self, row: Site) -> dict[str, Any]:
        """A site."""
        fields = {name: getattr(row, name) for name in _SITE_FIELDS}
        return {"id": str(row.id), "url": reverse("api:site-detail", args=[row.id]), **fields}

    @extend_schema(request=SiteBody, responses={201: SiteSerializer, **problems(422)})
    def create(self, request: Request) -> Response:
        """Add a site."""
        self.principal.require("site.change")
        row = flows.add_site(principal=self.principal, **self.body(SiteBody))
        return _answer(self.document(row), _SITE_FIELDS, status.HTTP_201_CREATED)

    def retrieve(self, request: Request, pk: Any = None) -> Response:
        """One site, with its ETag."""
        return _answer(self.document(self.get_object()), _SITE_FIELDS)

    @extend_schema(
        request=SiteBody, parameters=[IF_MATCH], responses={200: SiteSerializer, **problems(404, 412, 422, 428)}
    )
    def partial_update(self, request: Request, pk: Any = None) -> Response:
        """Change a site."""
        row = self.get_object()
        self.principal.require("site.change", row.pk, what=row.name)
        require_match(request, etag(self.document(row), _SITE_FIELDS))
        row = flows.change_site(principal=self.principal, site=row, **self.body(SiteBody, partial=True))
        return _answer(self.document(row), _SITE_FIELDS)

    @extend_schema(parameters=[IF_MATCH], responses={204: OpenApiResponse(), **problems(404, 412, 422, 428)})
    def destroy(self, request: Request, pk: Any = None) -> Response:
        """Remove a site at which no host stands."""
        row = self.get_object()
        self.principal.require("site.change", row.pk, what=row.name)
        require_match(request, etag(self.document(row), _SITE_FIELDS))
        flows.remove_site(principal=self.principal, site=row)
        return Response(status=status.HTTP_204_NO_CONTENT)


@extend_schema_view(
    list=extend_schema(responses={200: SiteLinkSerializer(many=True), **problems()}),
    retrieve=extend_schema(responses={200: SiteLinkSerializer, **problems(404)}),
)
class SiteLinks(Listed):
    """What the network between two sites carries."""

    serializer_class = SiteLinkSerializer
    filterset_class = SiteLinkFilters
    ordering_fields = ("bandwidth_mbps", "round_trip_ms")

    def get_queryset(self) -> QuerySet[SiteLink]:
        """Links that begin or end where the caller has a role."""
        return self.principal.restrict(SiteLink.objects.select_related("source", "target"), "source", "target")

    def document(self, row: SiteLink) -> dict[str, Any]:
        """A link."""
        return {
            "id": str(row.id),
            "url": reverse("api:site-link-detail", args=[row.id]),
            "source": row.source.slug,
            "target": row.target.slug,
            "bandwidth_mbps": row.bandwidth_mbps,
            "round_trip_ms": row.round_trip_ms,
            "max_moves": row.max_moves,
        }

    @extend_schema(request=SiteLinkBody, responses={201: SiteLinkSerializer, **problems(422)})
    def create(self, request: Request) -> Response:
        """Add a link."""
        self.principal.require("site.change")
        row = site_links.add_link(principal=self.principal, **self._fields(partial=False))
        return _answer(self.document(row), _LINK_FIELDS, status.HTTP_201_CREATED)

    def retrieve(self, request: Request, pk: Any = None) -> Response:
        """One link, with its ETag."""
        return _answer(self.document(self.get_object()), _LINK_FIELDS)

    @extend_schema(
        request=SiteLinkBody, parameters=[IF_MATCH], responses={200: SiteLinkSerializer, **problems(404, 412, 422, 428)}
    )
    def partial_update(self, request: Request, pk: Any = None) -> Response:
        """Change a link."""
        row = self._guarded(request)
        row = site_links.change_link(principal=self.principal, link=row, **self._fields(partial=True))
        return _answer(self.document(row), _LINK_FIELDS)

    @extend_schema(parameters=[IF_MATCH], responses={204: OpenApiResponse(), **problems(404, 412, 428)})
    def destroy(self, request: Request, pk: Any = None) -> Response:
        """Remove a link."""
        site_links.remove_link(principal=self.principal, link=self._guarded(request))
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _guarded(self, request: Request) -> SiteLink:
        row: SiteLink = self.get_object()
        self.principal.require("site.change")
        require_match(request, etag(self.document(row), _LINK_FIELDS))
        return row

    def _fields(self, *, partial: bool) -> dict[str, Any]:
        fields = self.body(SiteLinkBody, partial=partial)
        for end in {"source", "target"} & set(fields):
            fields[end] = lookups.site(self.principal, fields[end], field=end)
        return fields


def _answer(document: dict[str, Any], fields: tuple[str, ...], code: int = status.HTTP_200_OK) -> Response:
    headers = {"ETag": etag(document, fields)}
    if code == status.HTTP_201_CREATED:
        headers["Location"] = document["url"]
    return Response(document, status=code, headers=headers)
