"""Pure: what a move through the worker has done so far, as a document from which any worker can go on."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from fleet.hypervisor.pieces import Piece, chain


class Stage(StrEnum):
    """How far it is; each is stored before the first call of it is made, and each can be entered twice."""

    #: The guest's memory goes into a file at the source.
    SUSPEND = "suspend"
    #: Files travel; the guest rests at the source.
    COPY = "copy"
    #: The definition goes to the destination and leaves the source.
    HAND_OVER = "hand-over"
    #: The guest is brought back at the destination, paused: it executes nothing yet.
    RESTORE = "restore"
    #: It may execute at the destination from here on, so there is no way back.
    RESUME = "resume"
    #: It is given back to the source, still paused.
    BACK = "back"
    #: It may execute at the source from here on.
    BACK_RESUME = "back-resume"


#: The destination has seen nothing but files.
BEFORE_HAND_OVER = frozenset({Stage.SUSPEND, Stage.COPY})
RETURNING = frozenset({Stage.BACK, Stage.BACK_RESUME})


@dataclass(kw_only=True)
class FileNote:
    """One file on its way."""

    #: A disk's target, or "" for the memory image.
    target: str
    source: str
    path: str
    length_bytes: int = 0
    #: The source file's mark when it was first read; another one later means that somebody wrote it.
    changed_at: str = ""
    copied_bytes: int = 0
    copied_chain: str = ""
    verified_bytes: int = 0
    verified_chain: str = ""
    #: What really travelled, holes left out.
    data_bytes: int = 0
    #: How often it was begun again because the copy was not the same.
    repeats: int = 0

    @property
    def copied(self) -> bool:
        """Whether all of it was sent."""
        return bool(self.changed_at) and self.copied_bytes >= self.length_bytes

    @property
    def read_back(self) -> bool:
        """Whether all of it was read again at the destination."""
        return self.copied and self.verified_bytes >= self.length_bytes

    @property
    def proven(self) -> bool:
        """Whether what the destination holds is what the source holds."""
        return self.read_back and self.verified_chain == self.copied_chain

    def sent(self, piece: Piece) -> None:
        """The destination has this piece."""
        self.copied_chain = chain(self.copied_chain, piece)
        self.copied_bytes = piece.end
        self.data_bytes += piece.data_bytes

    def seen(self, piece: Piece) -> None:
        """The destination holds this piece."""
        self.verified_chain = chain(self.verified_chain, piece)
        self.verified_bytes = piece.end

    def begin_again(self) -> None:
        """Nothing of it counts any more."""
        self.copied_bytes = self.verified_bytes = self.data_bytes = 0
        self.copied_chain = self.verified_chain = ""
        self.repeats += 1


@dataclass(kw_only=True)
class Notes:
    """The whole document, stored as `Migration.relay`."""

    stage: Stage = Stage.SUSPEND
    files: list[FileNote] = field(default_factory=list)
    #: The file at the source that holds the definition with its secrets, for giving it back.
    definition: str = ""
    #: What else of the definition is another at the destination: `Rewrites` as a document.
    rewrites: dict[str, Any] = field(default_factory=dict)
    #: Shared disks that have another path there, {disk target: path}, and drives that lose their medium.
    elsewhere: dict[str, str] = field(default_factory=dict)
    emptied: list[str] = field(default_factory=list)
    #: Whether the guest was to start with its host; switched off while it is under way.
    autostart: bool = False
    #: When its memory began to be saved and when it ran again, by the workers' clocks (Unix seconds); 0: not yet.
    suspended_at_s: float = 0
    resumed_at_s: float = 0
    #: Why it goes back: {"state", "code", "message", "hint"}.
    reason: dict[str, str] = field(default_factory=dict)

    @property
    def memory(self) -> FileNote | None:
        """The memory image; None for a guest that is off."""
        return next((file for file in self.files if not file.target), None)

    @property
    def disks(self) -> list[FileNote]:
        """The copied disks."""
        return [file for file in self.files if file.target]

    @property
    def pause_ms(self) -> int | None:
        """How long the guest did not execute."""
        return round((self.resumed_at_s - self.suspended_at_s) * 1000) if self.resumed_at_s else None

    def document(self) -> dict[str, Any]:
        """As stored."""
        return dataclasses.asdict(self) | {"stage": self.stage.value}


def load(document: Mapping[str, Any]) -> Notes:
    """The notes that `document` stored."""
    files = [FileNote(**file) for file in document.get("files", ())]
    rest = {name: value for name, value in document.items() if name not in {"files", "stage"}}
    return Notes(stage=Stage(document["stage"]), files=files, **rest)
