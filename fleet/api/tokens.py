"""`tokens/`: keys for programs."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.urls import reverse
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_view
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from fleet.access import token_flows
from fleet.api import lookups
from fleet.api.endpoint import Listed
from fleet.api.schema import problems
from fleet.api.serializers import NewTokenSerializer, TokenSerializer, words
from fleet.api.strict import Body
from fleet.documents.times import rfc3339
from fleet.models import ApiToken
from fleet.states import Role


class TokenBody(Body):
    """A token to make for oneself."""

    name = serializers.CharField(max_length=100, allow_blank=True, required=False)
    role = serializers.ChoiceField(words(Role), help_text="The most it may do; never more than you may.")
    site = serializers.CharField(allow_null=True, required=False, help_text="A site's slug or id: it works only there.")
    expires_at = serializers.DateTimeField(allow_null=True, required=False)


@extend_schema_view(
    list=extend_schema(responses={200: TokenSerializer(many=True), **problems()}),
    retrieve=extend_schema(responses={200: TokenSerializer, **problems(404)}),
)
class Tokens(Listed):
    """Your own tokens; everybody's for an admin."""

    serializer_class = TokenSerializer
    search_fields = ("name", "key")
    ordering_fields = ("created_at", "expires_at", "last_used_at", "name")

    def get_queryset(self) -> QuerySet[ApiToken]:
        """What the caller may see."""
        return token_flows.visible(self.principal)

    def document(self, row: ApiToken) -> dict[str, Any]:
        """A token without its secret."""
        return {
            "id": str(row.pk),
            "url": reverse("api:token-detail", args=[row.pk]),
            **token_flows.document(row),
            "created_at": rfc3339(row.created_at),
            "expires_at": rfc3339(row.expires_at),
            "last_used_at": rfc3339(row.last_used_at),
        }

    @extend_schema(request=TokenBody, responses={201: NewTokenSerializer, **problems(422)})
    def create(self, request: Request) -> Response:
        """Make a token for yourself; its text is in this answer and nowhere else."""
        fields = self.body(TokenBody)
        row, text = token_flows.issue(
            principal=self.principal,
            role=Role(fields["role"]),
            site=lookups.site(self.principal, fields.get("site")),
            name=fields.get("name", ""),
            expires_at=fields.get("expires_at"),
        )
        document = self.document(row)
        headers = {"Location": document["url"]}
        return Response({**document, "token": text}, status=status.HTTP_201_CREATED, headers=headers)

    @extend_schema(responses={204: OpenApiResponse(), **problems(404)})
    def destroy(self, request: Request, pk: Any = None) -> Response:
        """Revoke a token at once."""
        token_flows.revoke(principal=self.principal, token=self.get_object())
        return Response(status=status.HTTP_204_NO_CONTENT)
