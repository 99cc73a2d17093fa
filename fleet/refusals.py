"""Pure: the one way Drover says no to a person: what is wrong, with what, and what helps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


class Refused(Exception):
    """A wish that was turned down before anything changed.

    `code` is stable for programs, `text` is for people, `remedy` says what would help, `field` names the input,
    `checks` are the failed checks as the API shows them, `data` more for programs (a host key's fingerprint).
    """

    status = 422

    def __init__(
        self,
        text: str,
        *,
        code: str = "refused",
        remedy: str = "",
        field: str = "",
        checks: Sequence[Mapping[str, Any]] = (),
        data: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(text)
        self.text, self.code, self.remedy, self.field, self.checks = text, code, remedy, field, tuple(checks)
        self.data = dict(data or {})


class Busy(Refused):
    """Another unfinished job holds the subject; `job_id` names it."""

    status = 409

    def __init__(self, text: str, *, job_id: str = "", code: str = "busy", remedy: str = "") -> None:
        super().__init__(text, code=code, remedy=remedy)
        self.job_id = job_id


class NotNow(Refused):
    """The action exists but cannot work in the present stage."""

    status = 409


class Forbidden(Refused):
    """The person may not do this."""

    status = 403
