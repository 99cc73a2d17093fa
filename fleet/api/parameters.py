"""Query parameters and the Prefer header, strictly read."""

from __future__ import annotations

import re
from http import HTTPStatus

from rest_framework.request import Request

from fleet.api.problems import Problem

_WAIT = re.compile(r"(?:^|[,;])\s*wait\s*=\s*\"?(\d{1,9})\"?\s*(?=$|[,;])", re.IGNORECASE)
#: Nobody is kept waiting longer by one request; whoever wants more asks again.
MAX_WAIT_S = 60


def bad_parameter(name: str, text: str) -> Problem:
    """A 400 that names the parameter."""
    return Problem(HTTPStatus.BAD_REQUEST, "bad_parameter", text, errors={f"?{name}": text})


def refuse_unknown(request: Request, known: set[str]) -> None:
    """400 for a query parameter that this address does not know."""
    unknown = sorted(set(request.query_params) - known)
    if not unknown:
        return
    allowed = ", ".join(sorted(known)) or "none"
    errors = {f"?{name}": f"There is no parameter '{name}' here. Known: {allowed}." for name in unknown}
    raise Problem(HTTPStatus.BAD_REQUEST, "unknown_parameter", next(iter(errors.values())), errors=errors)


def flag(request: Request, name: str) -> bool:
    """true or false; left out is false."""
    text = request.query_params.get(name, "false").lower()
    if text not in {"true", "false"}:
        raise bad_parameter(name, f"{name} is '{text}'; write true or false.")
    return text == "true"


def word(request: Request, name: str, known: tuple[str, ...]) -> str:
    """One of the known words; left out is "auto"."""
    text = request.query_params.get(name, "auto")
    if text not in known:
        raise bad_parameter(name, f"{name} is '{text}'; write {', '.join(known)}.")
    return text


def number(request: Request, name: str, *, default: int, low: int = 0, high: int) -> int:
    """A whole number between `low` and `high`."""
    text = request.query_params.get(name, "")
    if text == "":
        return default
    if not text.isascii() or not text.isdigit() or not low <= int(text[:20]) <= high:
        raise bad_parameter(name, f"{name} is '{text[:40]}'; write a whole number from {low} to {high}.")
    return int(text)


def preferred_wait_s(request: Request) -> int:
    """Seconds of `Prefer: wait=SECONDS` (RFC 7240), at most MAX_WAIT_S; 0 when nothing is preferred."""
    found = _WAIT.search(request.headers.get("Prefer", ""))
    return min(int(found.group(1)), MAX_WAIT_S) if found else 0
