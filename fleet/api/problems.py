"""Every error of the API as an RFC 9457 problem document."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import OperationalError
from django.http import Http404
from django.urls import reverse
from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import set_rollback

from fleet.refusals import Busy, Refused

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"


class Problem(exceptions.APIException):
    """An error of the request itself, with its own status and code."""

    def __init__(self, status: HTTPStatus, code: str, detail: str, *, errors: Mapping[str, str] | None = None) -> None:
        super().__init__(detail, code)
        self.status_code, self.code, self.errors = status, code, dict(errors or {})


def handle(error: Exception, context: Mapping[str, Any]) -> Response:
    """The answer to any exception of an API view; a fault of ours is logged with its trace and shown without."""
    request: Request = context["request"]
    status, headers, document = _describe(error, request)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        logger.error("%s %s failed", request.method, request.path, exc_info=error)
    set_rollback()
    document = {
        "type": f"urn:drover:problem:{document['code']}",
        "title": HTTPStatus(status).phrase,
        "status": int(status),
        **document,
        "request_id": getattr(request._request, "request_id", ""),
    }
    return Response(document, status=status, headers=headers, content_type=MEDIA_TYPE)


def _describe(error: Exception, request: Request) -> tuple[int, dict[str, str], dict[str, Any]]:
    if isinstance(error, Refused):
        return _refusal(error)
    if isinstance(error, Problem):
        errors = [{"pointer": pointer, "message": message} for pointer, message in error.errors.items()]
        return error.status_code, {}, {"code": error.code, "detail": str(error.detail), "errors": errors}
    if isinstance(error, Http404 | exceptions.NotFound):
        return HTTPStatus.NOT_FOUND, {}, {"code": "not_found", "detail": "There is no such thing, or it is not yours."}
    if isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied()
    if isinstance(error, exceptions.APIException):
        return _rest(error)
    if isinstance(error, OperationalError):
        detail = "The database does not answer or is busy. Nothing was changed; try again."
        return HTTPStatus.SERVICE_UNAVAILABLE, {"Retry-After": "2"}, {"code": "database_busy", "detail": detail}
    detail = "Drover failed here, and has noted why under this request id."
    return HTTPStatus.INTERNAL_SERVER_ERROR, {}, {"code": "internal_error", "detail": detail}


def _refusal(error: Refused) -> tuple[int, dict[str, str], dict[str, Any]]:
    document: dict[str, Any] = {"code": error.code, "detail": error.text}
    if error.field:
        document["errors"] = [{"pointer": f"/{error.field}", "message": error.text}]
    if error.remedy:
        document["remedy"] = error.remedy
    if error.checks:
        document["checks"] = [dict(check) for check in error.checks]
    if isinstance(error, Busy) and error.job_id:
        document["job"] = reverse("api:job-detail", args=[error.job_id])
    if error.data:
        document["data"] = error.data
    wait = error.data.get("retry_after_s")
    return error.status, {"Retry-After": str(wait)} if wait else {}, document


def _rest(error: exceptions.APIException) -> tuple[int, dict[str, str], dict[str, Any]]:
    headers: dict[str, str] = {}
    # The framework hangs these on the error where they matter.
    if auth_header := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = auth_header
    if isinstance(error, exceptions.ValidationError):
        errors = [{"pointer": pointer, "message": message} for pointer, message in _pointers(error.detail)]
        detail = errors[0]["message"] if len(errors) == 1 else "Some fields are not right."
        return error.status_code, headers, {"code": "invalid", "detail": detail, "errors": errors}
    code = error.get_codes()
    return error.status_code, headers, {"code": code if isinstance(code, str) else "error", "detail": str(error.detail)}


def _pointers(detail: Any, at: str = "") -> Iterator[tuple[str, str]]:
    """JSON pointers and messages out of the framework's nested errors."""
    if isinstance(detail, Mapping):
        for name, inner in detail.items():
            own = at if name == "non_field_errors" else f"{at}/{str(name).replace('~', '~0').replace('/', '~1')}"
            yield from _pointers(inner, own)
    elif isinstance(detail, list):
        for index, inner in enumerate(detail):
            yield from _pointers(inner, f"{at}/{index}" if isinstance(inner, Mapping) else at)
    else:
        yield at, str(detail)
