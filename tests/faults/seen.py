"""What was really seen in each row, kept between runs of parts of the matrix."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.with_lab.installation import BASE

#: A file for each row, because rows run side by side.
FOLDER = Path(os.environ.get("DROVER_FAULTS_SEEN", BASE / "var" / "faults"))


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One row's run."""

    #: `STATE@HOST`, as in the matrix.
    end: str
    #: The end in the job's own words.
    words: str
    #: From the healing to a finished job and a true guest row.
    true_after_s: float
    #: The codes of the job's log, in order.
    log: list[str]
    #: What was wrong; empty for a good row.
    wrong: list[str]


class Record:
    """Rows by name."""

    def __init__(self, rows: dict[str, Seen]) -> None:
        self.rows = rows

    @classmethod
    def load(cls) -> Record:
        """Of earlier runs, if there were any."""
        return cls({path.stem: Seen(**json.loads(path.read_text())) for path in sorted(FOLDER.glob("*.json"))})

    def keep(self, name: str, row: Seen) -> None:
        """The newest run of a row counts; kept at once, for a run may be broken off."""
        self.rows[name] = row
        FOLDER.mkdir(parents=True, exist_ok=True)
        (FOLDER / f"{name}.json").write_text(json.dumps(asdict(row), indent=1))
