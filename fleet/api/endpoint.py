"""What the addresses of the API have in common: visible rows only, strict parameters, documents, pages."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.http import HttpRequest
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

from fleet.access.principal import Principal, principal_of
from fleet.api import parameters
from fleet.api.filters import Fields, Ordering, Search
from fleet.api.problems import Problem

_LISTS = frozenset({"list", "events"})


class Endpoint(GenericViewSet[Any]):
    """One resource. Subclasses say which rows are visible and how one looks as a document."""

    metadata_class = None
    lookup_value_converter = "uuid"
    filter_backends = (Fields, Search, Ordering)
    search_fields: ClassVar[tuple[str, ...]] = ()
    ordering_fields: ClassVar[tuple[str, ...]] = ()
    #: Query parameters by action, beside those of filters and pages.
    parameters: ClassVar[Mapping[str, frozenset[str]]] = {}

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """After the sign-in, refuse parameters that would be ignored."""
        super().initial(request, *args, **kwargs)
        parameters.refuse_unknown(request, self.known_parameters())

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Nothing of a fleet is kept in caches on the way, nor shown again after signing out."""
        response = super().finalize_response(request, response, *args, **kwargs)
        response.headers.setdefault("Cache-Control", "no-store")
        return response

    def known_parameters(self) -> set[str]:
        """Names that may stand after the question mark."""
        known = set(self.parameters.get(self.action or "", ()))
        if self.action in _LISTS:
            known |= {"limit", "offset"}
        if self.action == "list":
            filterset = getattr(self, "filterset_class", None)
            known |= set(filterset.base_filters) if filterset else set()
            known |= {"q"} if self.search_fields else set()
            known |= {"ordering"} if self.ordering_fields else set()
        return known

    @property
    def principal(self) -> Principal:
        """Who asks; nobody while the views are only being described."""
        if getattr(self, "swagger_fake_view", False):
            return Principal(user=None, door="schema")
        return principal_of(self.request)

    def document(self, row: Any) -> dict[str, Any]:
        """The row as this caller sees it."""
        raise NotImplementedError

    def body(self, kind: type[BaseSerializer[Any]], *, partial: bool = False) -> dict[str, Any]:
        """The checked request body; 400 naming every field that is wrong."""
        serializer = kind(data=self.request.data, partial=partial)
        serializer.is_valid(raise_exception=True)
        return dict(serializer.validated_data)

    def page_of(self, rows: QuerySet[Any] | list[Any], document: Any = None) -> Response:
        """One page of rows as documents."""
        page = self.paginate_queryset(rows)
        return self.get_paginated_response([(document or self.document)(row) for row in page or ()])


class Listed(Endpoint):
    """A resource with a list and details."""

    def list(self, request: Request) -> Response:
        """A page of what you may see."""
        return self.page_of(self.filter_queryset(self.get_queryset()))

    def retrieve(self, request: Request, pk: Any = None) -> Response:
        """One of them."""
        return Response(self.document(self.get_object()))

    def get_object(self) -> Any:
        """The visible row of this id; 404 for any other."""
        row = self.get_queryset().filter(pk=self.kwargs["pk"]).first()
        if row is None:
            raise NotFound
        return row


class Missing(APIView):
    """What answers at an address that does not exist."""

    metadata_class = None
    authentication_classes = ()
    permission_classes = ()
    schema = None

    def handle_exception(self, exc: Exception) -> Response:
        """Any method ends here."""
        return super().handle_exception(_missing(self.request._request))


def _missing(request: HttpRequest) -> Problem:
    detail = f"There is nothing at {request.path}."
    if not request.path.endswith("/"):
        detail += f" Addresses end with a slash: {request.path}/"
    return Problem(HTTPStatus.NOT_FOUND, "not_found", detail)
