"""The web process in a thread of the test, and pages that listen to it as a browser would."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import uvicorn
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.conftest import wait_until


@contextmanager
def web() -> Iterator[str]:
    """A real uvicorn on a free port; "localhost:PORT"."""
    from fleet.asgi import application

    config = uvicorn.Config(application, host="127.0.0.1", port=0, lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, name="web", daemon=True)
    thread.start()
    wait_until(lambda: server.started, 20, "uvicorn has started")
    yield f"localhost:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = server.force_exit = True
    thread.join(20)
    assert not thread.is_alive()


def cookie_of(user: User) -> str:
    """A session of this person, as a browser sends it."""
    browser = Client()
    browser.force_login(user)
    return f"{settings.SESSION_COOKIE_NAME}={browser.cookies[settings.SESSION_COOKIE_NAME].value}"


class Page:
    """One open page: applies the messages it hears to its documents, by the rules of the contract."""

    def __init__(
        self, place: str, topics: str, *, cookie: str = "", bearer: str = "", origin: str | None = None
    ) -> None:
        headers = {"Cookie": cookie} if cookie else {}
        if bearer:
            headers["Authorization"] = f"Bearer {bearer}"
        self.stack = ExitStack()
        address = f"ws://{place}/ws/v1/stream?topics={topics}"
        self.socket: ClientConnection = self.stack.enter_context(
            connect(address, additional_headers=headers, origin=origin, open_timeout=20)  # type: ignore[arg-type]
        )
        self.messages: list[dict[str, Any]] = []
        #: topic -> id -> document
        self.documents: dict[str, dict[str, dict[str, Any]]] = {}
        #: job id -> line number -> line
        self.lines: dict[str, dict[int, dict[str, Any]]] = {}
        self.close_code: int | None = None
        self.thread = threading.Thread(target=self._listen, daemon=True)
        self.thread.start()

    def _listen(self) -> None:
        try:
            for text in self.socket:
                message = json.loads(text)
                self._apply(message)
                self.messages.append(message)
        except ConnectionClosed:
            pass
        self.close_code = self.socket.close_code

    def _apply(self, message: dict[str, Any]) -> None:
        topic = message.get("topic", "")
        shown = self.documents.setdefault(topic, {}) if topic else {}
        if message["type"] == "snapshot":
            for document in message["documents"]:
                self._show(shown, document)
            for line in message.get("events", []):
                self.lines.setdefault(line["job"], {})[line["seq"]] = line
        elif message["type"] == "update":
            self._show(shown, message["document"])
        elif message["type"] == "event":
            line = message["document"]
            self.lines.setdefault(line["job"], {})[line["seq"]] = line
        elif message["type"] == "gone":
            shown.pop(message["id"], None)

    @staticmethod
    def _show(shown: dict[str, dict[str, Any]], document: dict[str, Any]) -> None:
        number = "seq" if "seq" in document else "version"
        before = shown.get(document["id"])
        if before is None or document[number] > before[number]:
            shown[document["id"]] = document

    def types(self) -> list[str]:
        """What was heard, in order."""
        return [message["type"] for message in list(self.messages)]

    def until_heard(self, *types: str) -> None:
        """Wait for one message of each type."""
        wait_until(lambda: set(types) <= set(self.types()), 10, f"the page hears {types}, heard {self.types()}")

    def until_closed(self) -> int:
        """Wait for the end of the socket; its code."""
        wait_until(lambda: self.close_code is not None, 10, "the socket is closed")
        assert self.close_code is not None
        return self.close_code

    def close(self) -> None:
        """Leave the page."""
        self.stack.close()
        self.thread.join(10)
