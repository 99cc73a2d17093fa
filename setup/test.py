"""Run the tests in groups that suit the machine, and close with one summary line over all of them: `make test`."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parent.parent
PYTEST = (sys.executable, "-m", "pytest", "-p", "no:cacheprovider")
WITHOUT_HOSTS = "not lab and not browser"
#: Rows mostly wait for something to be noticed: two labs side by side take half as long.
FAULTS = (*PYTEST, "-n", "2", "--dist", "load", "--maxschedchunk", "1")
#: What reads and writes rows side by side is tested on both databases.
RACING = ("tests/fleet", "tests/migrations_app")

GROUPS: dict[str, tuple[str, ...]] = {
    "fast": (*PYTEST, "-n", "2", "-m", WITHOUT_HOSTS),
    "postgres": (sys.executable, "-m", "tests.postgres", "--", *PYTEST, "-n", "2", "-m", WITHOUT_HOSTS, *RACING),
    "lab": (*PYTEST, "-m", "lab and not browser and not faults"),
    "faults": (*FAULTS, "-m", "faults and not long", "tests/faults"),
    "faults-long": (*FAULTS, "-m", "faults and long", "tests/faults"),
    "browser": (*PYTEST, "-m", "browser"),
}
#: Run only when they are named.
ON_REQUEST = {"faults-long"}


@dataclass
class Outcome:
    """What a group, or all of them, came to."""

    passed: int = 0
    failed: int = 0
    errors: int = 0
    skipped: int = 0
    broken: bool = False

    def add(self, other: Outcome) -> None:
        """Sum up."""
        self.passed += other.passed
        self.failed += other.failed
        self.errors += other.errors
        self.skipped += other.skipped
        self.broken = self.broken or other.broken

    def line(self, seconds: float) -> str:
        """In pytest's own words, so that whatever reads its closing line can read ours."""
        counts = {"failed": self.failed, "passed": self.passed, "skipped": self.skipped, "errors": self.errors}
        text = ", ".join(f"{count} {word}" for word, count in counts.items() if count) or "no tests ran"
        return f" {text} in {seconds:.2f}s ".center(100, "=")


def run(name: str, argv: tuple[str, ...], report: Path) -> Outcome:
    """One group; pytest's output goes through as it is."""
    print(f"\n---- {name} ----", flush=True)
    code = subprocess.run([*argv, f"--junit-xml={report}"], cwd=ROOT, stdin=subprocess.DEVNULL, check=False).returncode
    found = read(report)
    # Important: exit code 5 means that no test was found: a wrong mark must not drop a whole group in silence.
    found.broken = code != 0
    return found


def read(report: Path) -> Outcome:
    """The counts of a JUnit report; a run that wrote none has failed as a whole."""
    if not report.exists():
        return Outcome(errors=1)
    total = Outcome()
    for suite in ElementTree.parse(report).getroot().iter("testsuite"):
        tests, failed, errors, skipped = (int(suite.get(key, 0)) for key in ("tests", "failures", "errors", "skipped"))
        total.add(Outcome(tests - failed - errors - skipped, failed, errors, skipped))
    return total


def main(wanted: list[str]) -> int:
    """Every group, or those named; non-zero when any of them was not wholly good."""
    unknown = [name for name in wanted if name not in GROUPS]
    if unknown:
        print(f"there is no group {', '.join(unknown)}, only {', '.join(GROUPS)}")
        return 2
    began = time.monotonic()
    total = Outcome()
    broken = []
    with tempfile.TemporaryDirectory() as folder:
        for name, argv in GROUPS.items():
            if name in wanted or not (wanted or name in ON_REQUEST):
                found = run(name, argv, Path(folder) / f"{name}.xml")
                total.add(found)
                broken += [name] if found.broken else []
    if broken:
        print(f"\nNot good: {', '.join(broken)}")
    print(total.line(time.monotonic() - began))
    return 1 if total.broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
