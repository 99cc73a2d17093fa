"""What one socket has shown of one topic: decides what is news, and finds in the rows what a lost message left out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from fleet.access.principal import Principal
from fleet.jobs import snapshots


def number_of(document: dict[str, Any]) -> int:
    """The number that rises with every change: `seq` of a job, `version` of hosts and guests."""
    number: int = document["seq"] if "seq" in document else document["version"]
    return number


@dataclass
class Shown:
    """Numbers of the documents, by id, and of the last line of the job's log."""

    topic: str
    numbers: dict[str, int] = field(default_factory=dict)
    line: int = 0

    def accept(self, message: dict[str, Any]) -> bool:
        """Whether this message says anything new; remembers what it says."""
        kind = message["type"]
        if kind == "snapshot":
            for document in message["documents"]:
                self._newer(document)
            self.line = max([self.line, *(event["seq"] for event in message.get("events", []))])
            return True
        if kind == "update":
            return self._newer(message["document"])
        if kind == "event":
            fresh = bool(self.numbers) and message["document"]["seq"] > self.line
            self.line = message["document"]["seq"] if fresh else self.line
            return fresh
        return kind != "gone" or self.numbers.pop(message["id"], None) is not None

    def gone(self, identifier: str) -> dict[str, Any]:
        """The message that takes a document off the page."""
        return {"type": "gone", "topic": self.topic, "id": identifier}

    def missed(self, principal: Principal) -> list[dict[str, Any]]:
        """Messages for everything in the rows that is newer than what was shown, or that is no longer there."""
        current = snapshots.numbers(self.topic, principal)
        lost = snapshots.unseen(self.topic, principal, self.numbers.keys() - current.keys())
        messages = [self.gone(identifier) for identifier in sorted(lost)]
        stale = [identifier for identifier, number in current.items() if number > self.numbers.get(identifier, -1)]
        if self.topic.startswith("job:") and current and (stale or snapshots.last_line(self.topic) > self.line):
            return [*messages, snapshots.snapshot(self.topic, principal)]
        for document in snapshots.documents(self.topic, principal, stale) if stale else []:
            messages.append({"type": "update", "topic": self.topic, "document": document})
        return messages

    def _newer(self, document: dict[str, Any]) -> bool:
        number = number_of(document)
        if number <= self.numbers.get(document["id"], -1):
            return False
        self.numbers[document["id"]] = number
        return True
