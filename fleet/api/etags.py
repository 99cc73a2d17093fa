"""Guarding configuration against lost updates: an ETag over what people write, not over what hosts report."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from rest_framework.request import Request

from fleet.api.problems import Problem


def etag(document: Mapping[str, Any], fields: tuple[str, ...]) -> str:
    """A tag that changes exactly when one of `fields` does."""
    text = json.dumps([document[field] for field in fields], sort_keys=True, default=str)
    return f'"{hashlib.sha256(text.encode()).hexdigest()[:20]}"'


def require_match(request: Request, current: str, *, optional: bool = False) -> None:
    """428 without If-Match (unless `optional`), 412 when it names another state than the current one."""
    wanted = request.headers.get("If-Match", "").strip()
    if not wanted:
        if optional:
            return
        raise Problem(
            HTTPStatus.PRECONDITION_REQUIRED,
            "if_match_required",
            "Send If-Match with the ETag you read, so that nobody's change is overwritten unseen.",
        )
    if wanted != "*" and current not in {tag.strip() for tag in wanted.split(",")}:
        raise Problem(
            HTTPStatus.PRECONDITION_FAILED,
            "changed_meanwhile",
            "This was changed after you read it. Read it again and decide anew.",
        )
