"""A program that moves guests through Drover: one kept HTTP connection, and a socket that hears how it goes."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from websockets.sync.client import connect

from bench.scene import Scene

FINISHED = {"succeeded", "failed", "cancelled"}


class Program:
    """Speaks REST over one connection, as a program that does many things does."""

    def __init__(self, drover: Scene) -> None:
        self.drover = drover
        self.connection = http.client.HTTPConnection("127.0.0.1", drover.port, timeout=120)
        self.headers = {"Authorization": f"Bearer {drover.token}", "Content-Type": "application/json"}

    def warm(self) -> None:
        """A connection that just served something, as it is for a program that does many things."""
        self.connection.close()  # the server has hung up by itself after some idle seconds
        self.ask("GET", "sites/")

    def ask(self, method: str, path: str, document: Any = None) -> tuple[int, Any]:
        """Status and document."""
        body = None if document is None else json.dumps(document)
        self.connection.request(method, f"/api/v1/{path}", body, self.headers)
        answer = self.connection.getresponse()
        return answer.status, json.loads(answer.read() or "null")


class Ear:
    """Hears a topic on the live socket; `heard` holds (wall clock in seconds, message)."""

    def __init__(self, drover: Scene, topics: str) -> None:
        self.heard: list[tuple[float, dict[str, Any]]] = []
        self._news = threading.Condition()
        self._socket = connect(
            f"ws://127.0.0.1:{drover.port}/ws/v1/stream?topics={topics}",
            additional_headers={"Authorization": f"Bearer {drover.token}"},
        )
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def wait(self, wanted: Callable[[dict[str, Any]], bool], timeout_s: float) -> tuple[float, dict[str, Any]]:
        """The first message that is wanted, and when it came."""
        deadline, looked = time.monotonic() + timeout_s, 0
        with self._news:
            while True:
                for moment, message in self.heard[looked:]:
                    if wanted(message):
                        return moment, message
                looked = len(self.heard)
                if not self._news.wait(max(deadline - time.monotonic(), 0)):
                    raise TimeoutError("the socket did not tell")

    def close(self) -> None:
        """Hang up."""
        self._socket.close()
        self._thread.join(5)

    def _listen(self) -> None:
        for text in self._socket:
            moment = time.time()
            with self._news:
                self.heard.append((moment, json.loads(text)))
                self._news.notify_all()


@contextmanager
def listening(drover: Scene, topics: str) -> Iterator[Ear]:
    """An ear, closed afterwards; it is open when the first snapshot is here."""
    ear = Ear(drover, topics)
    try:
        ear.wait(lambda message: message["type"] == "snapshot", 20)
        yield ear
    finally:
        ear.close()


def ended(job: str) -> Callable[[dict[str, Any]], bool]:
    """Whether a message tells the end of this job."""

    def tells(message: dict[str, Any]) -> bool:
        document = message.get("document", {})
        return message["type"] == "update" and document.get("id") == job and document.get("state") in FINISHED

    return tells


def epoch_s(moment: str) -> float:
    """The API's time as seconds since 1970."""
    return datetime.fromisoformat(moment).timestamp()
