"""Write docs/faults.md from what was really seen: `python -m tests.faults.report`, after the group "faults" has run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.faults.matrix import ROWS, Row
from tests.faults.seen import Record, Seen
from tests.with_lab.installation import BASE

DOCUMENT = BASE / "docs" / "faults.md"
STAGES = {
    "queued": "Queued",
    "prepare": "Check and prepare",
    "disks": "While disks are copied",
    "memory": "While memory is copied",
    "switch-over": "Switch-over",
    "post-copy": "Post-copy",
    "verify": "Verify",
    "clean-up": "Clean-up",
}
HEAD = """\
# What happens when something breaks in the middle of a move

Each line is a test on real libvirt hosts (`tests/faults/`): a move is brought to an exact point, something is broken
there, it is mended, and then the hosts are asked. This page is written from such a run by
`python -m tests.faults.report`; nothing in it is typed by hand.

After every line all of this held: the guest runs **once**, or not at all and the job says why, by QEMU processes and by
virsh; no write that its disk had acknowledged is missing or was made twice; no volume, definition or open job is left
over; the rows say what is so within 30 s after everything is back (90 s where a long copy goes on by itself first); the
log tells it from the wish to the end. A job that "failed" left the guest where the line says, unharmed, unless the line
says that it runs nowhere or stands still.

db1's disk is on storage that both hosts share; db2's disk is copied. "True after" counts from the moment when
everything is back. "No." is the number in the list of faults that the tests go through.

Run it: `make test ARGS="faults faults-long"`; `make test` runs one line of each kind.
One line: `.venv/bin/python -m pytest tests/faults -k 'memory and virsh'`.
"""
TABLE = "| No. | At this point | What was broken | How it ended | True after |\n| ---: | --- | --- | --- | ---: |\n"


def written(rows: Sequence[Row], record: Record) -> str:
    """The whole page."""
    parts = [HEAD, summary(rows, record)]
    for title in dict.fromkeys(STAGES.values()):
        mine = [row for row in rows if STAGES[row.point.stage] == title]
        if mine:
            parts.append(f"## {title}\n\n{TABLE}" + "".join(line(row, record.rows.get(row.name)) for row in mine))
    return "\n".join(parts)


def summary(rows: Sequence[Row], record: Record) -> str:
    """How many, how fast."""
    found = [record.rows[row.name] for row in rows if row.name in record.rows]
    good = [seen for seen in found if not seen.wrong]
    slowest = max((seen.true_after_s for seen in good), default=0.0)
    middle = sorted(seen.true_after_s for seen in good)[len(good) // 2] if good else 0.0
    return (
        f"In the run written here {len(good)} of {len(rows)} lines held; the rows were true {middle:.1f} s after "
        f"everything was back (median), {slowest:.1f} s at worst.\n"
    )


def line(row: Row, seen: Seen | None) -> str:
    """A row of the table."""
    if seen is None:
        ended, after = "not run", ""
    elif seen.wrong:
        ended, after = "**did not hold**: " + "; ".join(seen.wrong), ""
    else:
        state, _, host = seen.end.partition("@")
        ended, after = f"{state}, {host or 'runs nowhere'}: {seen.words}", f"{seen.true_after_s:.1f} s"
    way = row.wish.get("mode", "live")
    words = row.point.words if way == "live" or "worker" in row.point.words else f"{way}: {row.point.words}"
    cells = [str(row.number), f"{words} ({row.guest})", row.fault.words, ended, after]
    return "| " + " | ".join(cell.replace("|", "/").replace("\n", " ") for cell in cells) + " |\n"


def main() -> None:
    """Write it and say where."""
    Path(DOCUMENT).write_text(written(ROWS, Record.load()))
    print(f"wrote {DOCUMENT.relative_to(BASE)}")


if __name__ == "__main__":
    main()
