"""How lists are narrowed and ordered; whatever is not known is an error that says what is."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any
from uuid import UUID

import django_filters
from django.db.models import JSONField, Lookup, Q, QuerySet
from django_filters.rest_framework import DjangoFilterBackend
from django_filters.utils import translate_validation
from rest_framework.filters import BaseFilterBackend
from rest_framework.request import Request

from fleet.api.problems import Problem


@JSONField.register_lookup
class HasItem(Lookup):
    """`tags__has_item="web"`: whether a list in a JSON column holds a text, on both databases."""

    lookup_name = "has_item"
    prepare_rhs = False

    def as_sqlite(self, compiler: Any, connection: Any) -> tuple[str, list[Any]]:
        """A look at each element."""
        left, left_params = self.process_lhs(compiler, connection)
        return f"EXISTS (SELECT 1 FROM json_each({left}) AS item WHERE item.value = %s)", [*left_params, self.rhs]  # noqa: S608 - a column name

    def as_postgresql(self, compiler: Any, connection: Any) -> tuple[str, list[Any]]:
        """The operator for it (it looks at lists too, not only at keys)."""
        left, left_params = self.process_lhs(compiler, connection)
        return f"{left} ? %s", [*left_params, self.rhs]


class Fields(DjangoFilterBackend):
    """Filters by field; a value that makes no sense is a 400 that names the parameter."""

    def filter_queryset(self, request: Request, queryset: QuerySet[Any], view: Any) -> QuerySet[Any]:
        """Rows that match every filter given."""
        filterset = self.get_filterset(request, queryset, view)
        if filterset is None:
            return queryset
        if not filterset.is_valid():
            detail = translate_validation(filterset.errors).detail
            errors = {f"?{name}": str(messages[0]) for name, messages in detail.items()}
            raise Problem(HTTPStatus.BAD_REQUEST, "bad_parameter", next(iter(errors.values())), errors=errors)
        return filterset.qs


class Search(BaseFilterBackend):
    """`q`: a piece of one of the view's `search_fields`, whatever the case."""

    def filter_queryset(self, request: Request, queryset: QuerySet[Any], view: Any) -> QuerySet[Any]:
        """Rows with that piece."""
        text = request.query_params.get("q", "").strip()
        wanted = Q()
        for field in view.search_fields if text else ():
            wanted |= Q(**{f"{field}__icontains": text})
        return queryset.filter(wanted)

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        """For the OpenAPI file."""
        if not view.search_fields:
            return []
        text = f"A piece of {', '.join(view.search_fields)}, whatever the case."
        return [_parameter("q", text)]


class Ordering(BaseFilterBackend):
    """`ordering`: names from the view's `ordering_fields`, with `-` for the greatest first."""

    def filter_queryset(self, request: Request, queryset: QuerySet[Any], view: Any) -> QuerySet[Any]:
        """Rows in that order, and then by id, so that pages never overlap."""
        names = [name.strip() for name in request.query_params.get("ordering", "").split(",") if name.strip()]
        for name in names:
            if name.removeprefix("-") not in view.ordering_fields:
                text = f"Lists cannot be ordered by '{name}' here. Known: {', '.join(view.ordering_fields)}."
                raise Problem(HTTPStatus.BAD_REQUEST, "bad_parameter", text, errors={"?ordering": text})
        return queryset.order_by(*names, "pk") if names else queryset

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        """For the OpenAPI file."""
        if not view.ordering_fields:
            return []
        return [_parameter("ordering", f"Any of {', '.join(view.ordering_fields)}; `-` in front turns it round.")]


class Filters(django_filters.FilterSet):
    """What the lists' filters share."""

    def by_id_or_name(self, queryset: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        """Rows whose `name` relation has this id or this name."""
        try:
            return queryset.filter(**{f"{name}_id": UUID(value)})
        except ValueError:
            return queryset.filter(**{f"{name}__name": value})


class Tag(django_filters.CharFilter):
    """`tag=a&tag=b`: both."""

    def filter(self, qs: QuerySet[Any], value: Any) -> QuerySet[Any]:
        """Rows with every one of the tags that the request names."""
        request = getattr(self, "parent", None) and self.parent.request
        tags = request.query_params.getlist("tag") if request else [value] if value else []
        for tag in filter(None, tags):
            qs = qs.filter(tags__has_item=tag)
        return qs


def _parameter(name: str, description: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "description": description, "schema": {"type": "string"}}
