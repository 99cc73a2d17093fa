"""Lists in pages of `limit` rows from `offset`."""

from __future__ import annotations

from typing import Any

from rest_framework.pagination import LimitOffsetPagination
from rest_framework.request import Request

from fleet.api import parameters

#: SQLite's and PostgreSQL's offsets are 64 bits wide.
_MAX_OFFSET = 2**62


class LimitOffset(LimitOffsetPagination):
    """`{count, next, previous, results}`; 50 rows where nothing is said, 1000 at most."""

    default_limit = 50
    max_limit = 1000

    def get_limit(self, request: Request) -> int:
        """Rows of a page; 400 for a number that makes no sense."""
        return parameters.number(request, "limit", default=self.default_limit, low=1, high=self.max_limit)

    def get_offset(self, request: Request) -> int:
        """Rows before this page."""
        return parameters.number(request, "offset", default=0, high=_MAX_OFFSET)

    def get_count(self, queryset: Any) -> int:
        """Rows in all, counted without what only documents need."""
        return len(queryset) if isinstance(queryset, list) else int(queryset.order_by().count())
