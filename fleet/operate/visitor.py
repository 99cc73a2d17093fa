"""A visitor over HTTP, as a browser with its cookies or as a program with its token."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.parse
import urllib.request
from http.cookiejar import CookieJar
from typing import Any

from fleet.refusals import Refused

_FORM_TOKEN = re.compile(r'name="csrfmiddlewaretoken"\s+value="([^"]+)"')


class Visitor:
    """Everything it is answered with a status of 400 or more is Refused with what the server said."""

    def __init__(self, url: str, token: str = "") -> None:
        self.url, self.token = url.rstrip("/"), token
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))

    def page(self, path: str, form: dict[str, str] | None = None) -> str:
        """A page's HTML, after redirects."""
        body = None if form is None else urllib.parse.urlencode(form).encode()
        return self._ask(path, body, {"Referer": self._address(path)} if body is not None else {}).decode()

    def press(self, path: str) -> str:
        """Open a page and press the button of its form."""
        found = _FORM_TOKEN.search(self.page(path))
        if found is None:
            raise Refused(f"The page {self._shown(path)} has no form.", code="unexpected_page")
        return self.page(path, {"csrfmiddlewaretoken": found[1]})

    def get(self, path: str, **query: str | int) -> Any:
        """A document of the API."""
        tail = f"?{urllib.parse.urlencode(query)}" if query else ""
        return json.loads(self._ask(path + tail, None, {}))

    def post(self, path: str, document: dict[str, Any], **headers: str) -> Any:
        """The API's answer to a document."""
        return json.loads(
            self._ask(path, json.dumps(document).encode(), {"Content-Type": "application/json", **headers})
        )

    def _ask(self, path: str, body: bytes | None, headers: dict[str, str]) -> bytes:
        request = urllib.request.Request(self._address(path), data=body, headers=headers)  # noqa: S310 - our own address
        if self.token:
            request.add_header("Authorization", f"Bearer {self.token}")
        try:
            with self.opener.open(request, timeout=90) as answer:
                found: bytes = answer.read()
                return found
        except urllib.error.HTTPError as error:
            said = error.read().decode(errors="replace")[:2000]
            raise Refused(f"{self._shown(path)} answered {error.code}: {said}", code="unexpected_answer") from error
        except OSError as error:
            raise Refused(f"{self._shown(path)} did not answer: {error}", code="unexpected_answer") from error

    def _address(self, path: str) -> str:
        return path if path.startswith("http") else self.url + path

    def _shown(self, path: str) -> str:
        # A one-time link is a secret until it is used.
        return re.sub(r"[A-Za-z0-9_-]{30,}", "...", path)
