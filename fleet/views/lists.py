"""Lists of rows: searched, filtered, sorted and cut into pages, with every choice in the address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, QueryDict

ROWS = 50


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """A column's head: where a press on it leads, and whether the rows are sorted by it now ("", "up", "down")."""

    title: str
    name: str
    query: str
    sorted: str
    css: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Listing:
    """One page of rows with what its head and foot need."""

    page: Page[Any]
    columns: list[Column]
    #: The address without the page number, ready for "&page=2".
    query: str
    #: What was chosen, for the filter form; empty when nothing is filtered.
    chosen: dict[str, str]

    @property
    def total(self) -> int:
        """Rows on all pages."""
        return self.page.paginator.count


def listing(
    request: HttpRequest,
    rows: QuerySet[Any],
    *,
    columns: Mapping[str, tuple[str, str, str]],
    default: str,
    filters: tuple[str, ...] = (),
) -> Listing:
    """Cut `rows` as the address says; `columns` is name -> (title, field to sort by or "", CSS class)."""
    wanted = request.GET.get("sort", default)
    name = wanted.removeprefix("-")
    if name not in columns or not columns[name][1]:
        wanted, name = default, default.removeprefix("-")
    order = ("-" if wanted.startswith("-") else "") + columns[name][1]
    page = Paginator(rows.order_by(order, "pk"), ROWS).get_page(request.GET.get("page"))
    return Listing(
        page=page,
        columns=[_column(request, key, *words, wanted=wanted) for key, words in columns.items()],
        query=_query(request),
        chosen={key: request.GET[key] for key in filters if request.GET.get(key)},
    )


def _column(request: HttpRequest, name: str, title: str, field: str, css: str, *, wanted: str) -> Column:
    state = {name: "up", f"-{name}": "down"}.get(wanted, "")
    query = _query(request, sort=f"-{name}" if state == "up" else name) if field else ""
    return Column(title=title, name=name, query=query, sorted=state, css=css)


def _query(request: HttpRequest, **changes: str) -> str:
    query: QueryDict = request.GET.copy()
    query.pop("page", None)
    for key in [key for key in query if not query[key]]:
        del query[key]
    for key, value in changes.items():
        query[key] = value
    return query.urlencode()
