"""`migration-policies/`: what is promised to guests that move, and what may be done to keep it."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.urls import reverse
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_view
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from fleet.api import lookups
from fleet.api.endpoint import Listed
from fleet.api.etags import etag, require_match
from fleet.api.schema import IF_MATCH, problems
from fleet.api.strict import Body, Words
from migrations_app import promises
from migrations_app.flows import policies as flows
from migrations_app.models import MigrationPolicy
from migrations_app.models.policy import MAX_DURATION_S
from migrations_app.options import MAX_BANDWIDTH_MIB_S, MAX_CONNECTIONS, MAX_DOWNTIME_MS

_WRITTEN = (*flows.FIELDS, "tags", "sites", "is_default")


class PolicyBody(Body):
    """A policy as people write it."""

    name = serializers.CharField(max_length=60)
    description = serializers.CharField(max_length=300, required=False, allow_blank=True)
    max_pause_ms = serializers.IntegerField(min_value=1, max_value=MAX_DOWNTIME_MS, required=False)
    max_duration_s = serializers.IntegerField(
        min_value=0, max_value=MAX_DURATION_S, required=False, help_text="Given up then; 0: no limit."
    )
    may_throttle = serializers.BooleanField(required=False, help_text="Slow the guest's CPUs down.")
    may_post_copy = serializers.BooleanField(
        required=False, help_text="Let it run at the destination before all its memory is there."
    )
    may_pause = serializers.BooleanField(required=False, help_text="Stop it for the rest, within `max_pause_ms`.")
    encryption = serializers.ChoiceField(MigrationPolicy.Encryptions.choices, required=False)
    bandwidth_mib_s = serializers.IntegerField(
        min_value=0, max_value=MAX_BANDWIDTH_MIB_S, required=False, help_text="0: no limit."
    )
    bandwidth_share_percent = serializers.IntegerField(
        min_value=1, max_value=100, required=False, help_text="Of the narrowest link on the way."
    )
    parallel = serializers.IntegerField(min_value=0, max_value=MAX_CONNECTIONS, required=False)
    compression = serializers.ChoiceField(MigrationPolicy.Compressions.choices, required=False)
    tags = Words(required=False, help_text="For guests with one of these tags that name no policy themselves.")
    sites = serializers.ListField(
        child=serializers.CharField(), required=False, help_text="For guests at one of these sites (slug or id)."
    )


class PolicySerializer(serializers.Serializer[Any]):
    """A migration policy."""

    id = serializers.UUIDField()
    url = serializers.CharField()
    name = serializers.CharField()
    description = serializers.CharField()
    promise = serializers.CharField(help_text="All of it in one sentence.")
    max_pause_ms = serializers.IntegerField()
    max_duration_s = serializers.IntegerField()
    may_throttle = serializers.BooleanField()
    may_post_copy = serializers.BooleanField()
    may_pause = serializers.BooleanField()
    encryption = serializers.ChoiceField(MigrationPolicy.Encryptions.choices)
    bandwidth_mib_s = serializers.IntegerField()
    bandwidth_share_percent = serializers.IntegerField()
    parallel = serializers.IntegerField()
    compression = serializers.ChoiceField(MigrationPolicy.Compressions.choices)
    tags = serializers.ListField(child=serializers.CharField())
    sites = serializers.ListField(child=serializers.CharField(), help_text="Slugs.")
    is_default = serializers.BooleanField()


@extend_schema_view(
    list=extend_schema(responses={200: PolicySerializer(many=True), **problems()}),
    retrieve=extend_schema(responses={200: PolicySerializer, **problems(404)}),
)
class MigrationPolicies(Listed):
    """What is promised to guests that move."""

    serializer_class = PolicySerializer
    search_fields = ("name", "description")
    ordering_fields = ("name",)

    def get_queryset(self) -> QuerySet[MigrationPolicy]:
        """All of them: whoever moves guests has to know them."""
        return MigrationPolicy.objects.prefetch_related("sites")

    def document(self, row: MigrationPolicy) -> dict[str, Any]:
        """A policy, with its promise in a sentence."""
        address = reverse("api:migration-policy-detail", args=[row.pk])
        return {"id": str(row.pk), "url": address, "promise": promises.sentence(row.terms()), **flows.document(row)}

    @extend_schema(request=PolicyBody, responses={201: PolicySerializer, **problems(422)})
    def create(self, request: Request) -> Response:
        """Add a policy."""
        self.principal.require("policy.change")
        row = flows.add(principal=self.principal, **self._fields(self.body(PolicyBody)))
        return self._answer(row.pk, status.HTTP_201_CREATED)

    def retrieve(self, request: Request, pk: Any = None) -> Response:
        """One policy, with its ETag."""
        return self._answer(self.get_object().pk)

    @extend_schema(
        request=PolicyBody, parameters=[IF_MATCH], responses={200: PolicySerializer, **problems(404, 412, 422, 428)}
    )
    def partial_update(self, request: Request, pk: Any = None) -> Response:
        """Change a policy; moves under way keep the terms they began with."""
        row = self._matching(request)
        fields = self._fields(self.body(PolicyBody, partial=True))
        flows.change(principal=self.principal, policy=row, **fields)
        return self._answer(row.pk)

    @extend_schema(parameters=[IF_MATCH], responses={204: OpenApiResponse(), **problems(404, 412, 422, 428)})
    def destroy(self, request: Request, pk: Any = None) -> Response:
        """Remove a policy that is not the default and that no guest names."""
        flows.remove(principal=self.principal, policy=self._matching(request))
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=None, responses={200: PolicySerializer, **problems(404)})
    @action(detail=True, methods=["post"])
    def default(self, request: Request, pk: Any = None) -> Response:
        """Make it the one for guests that have none of their own, by tag or by site."""
        row = flows.make_default(principal=self.principal, policy=self.get_object())
        return self._answer(row.pk)

    def _matching(self, request: Request) -> MigrationPolicy:
        row: MigrationPolicy = self.get_object()
        self.principal.require("policy.change", what=row.name)
        require_match(request, etag(self.document(row), _WRITTEN))
        return row

    def _fields(self, fields: dict[str, Any]) -> dict[str, Any]:
        if "sites" in fields:
            fields["sites"] = [lookups.site(self.principal, one, field="sites") for one in fields["sites"]]
        return fields

    def _answer(self, pk: Any, code: int = status.HTTP_200_OK) -> Response:
        document = self.document(self.get_queryset().get(pk=pk))
        return Response(document, code, headers={"ETag": etag(document, _WRITTEN)})
