"""Which policies a guest may name; the app that knows them registers itself, so that the fleet knows no app."""

from __future__ import annotations

from collections.abc import Callable

from django.utils.module_loading import import_string

_path = ""


def register(path: str) -> None:
    """Name the function ("package.module.function") that lists the names, in order."""
    global _path  # noqa: PLW0603 - set once, when the apps are ready
    _path = path


def names() -> list[str]:
    """Every name there is."""
    if not _path:
        return []
    listed: Callable[[], list[str]] = import_string(_path)
    return listed()
