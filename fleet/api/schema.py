"""The OpenAPI description: how to sign in, and what every error looks like."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse

from fleet.api.serializers import ProblemSerializer

_PROBLEMS = {
    400: "The request itself is not right: unknown or impossible fields or parameters.",
    401: "Nobody is signed in, or the token does not hold.",
    403: "The role is not enough; the answer names the one that is.",
    404: "There is no such thing, or it is not yours to see.",
    409: "Not now: busy with the job that `job` names, or already over.",
    412: "It was changed after it was read.",
    422: "Refused before anything changed; `checks` or `remedy` say why and what helps.",
    428: "If-Match is missing.",
}

IF_MATCH = OpenApiParameter("If-Match", str, OpenApiParameter.HEADER, required=True, description="The ETag you read.")
IF_MATCH_MAYBE = OpenApiParameter("If-Match", str, OpenApiParameter.HEADER, description="The ETag you read.")
DRY_RUN = OpenApiParameter("dry_run", bool, description="Run all the checks and store nothing.")
PREFER = OpenApiParameter(
    "Prefer",
    str,
    OpenApiParameter.HEADER,
    description="`wait=SECONDS`: answer at the job's end, or then at the latest.",
)


def problems(*statuses: int) -> dict[Any, Any]:
    """Responses for these statuses, and those that any address has."""
    return {
        (status, "application/problem+json"): OpenApiResponse(ProblemSerializer, _PROBLEMS[status])
        for status in sorted({400, 401, 403, *statuses})
    }


class BearerScheme(OpenApiAuthenticationExtension):
    """Programs."""

    target_class = "fleet.access.authentication.Bearer"
    name = "token"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        """An HTTP bearer token."""
        return {"type": "http", "scheme": "bearer", "description": "From `manage.py create_token` or `tokens/`."}


class SessionScheme(OpenApiAuthenticationExtension):
    """Browsers."""

    target_class = "fleet.access.authentication.Session"
    name = "session"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        """The page's cookie."""
        return {"type": "apiKey", "in": "cookie", "name": "drover_session"}
