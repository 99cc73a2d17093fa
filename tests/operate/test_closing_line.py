"""The one line that `make test` closes with."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from tests.operate.conftest import ROOT

SPECIFICATION = importlib.util.spec_from_file_location("drover_setup_test", ROOT / "setup" / "test.py")
assert SPECIFICATION is not None
assert SPECIFICATION.loader is not None
runner = importlib.util.module_from_spec(SPECIFICATION)
sys.modules[SPECIFICATION.name] = runner
SPECIFICATION.loader.exec_module(runner)

REPORT = '<testsuites><testsuite tests="7" failures="1" errors="1" skipped="2"></testsuite></testsuites>'


def test_counts_come_from_the_reports(tmp_path: Path) -> None:
    report = tmp_path / "fast.xml"
    report.write_text(REPORT)
    found = runner.read(report)
    assert (found.passed, found.failed, found.errors, found.skipped) == (3, 1, 1, 2)


def test_a_group_that_wrote_no_report_is_an_error(tmp_path: Path) -> None:
    assert runner.read(tmp_path / "none.xml").errors == 1


@pytest.mark.parametrize("code", [1, 2, 5])
def test_a_group_that_failed_or_found_no_test_breaks_the_run(tmp_path: Path, code: int) -> None:
    argv = (sys.executable, "-c", f"import sys; sys.exit({code})")
    assert runner.run("lab", argv, tmp_path / "lab.xml").broken


def test_the_line_reads_like_pytests_own() -> None:
    line = runner.Outcome(passed=12, failed=1, skipped=2).line(3.456)
    assert line.strip("= ") == "1 failed, 12 passed, 2 skipped in 3.46s"
    assert runner.Outcome().line(0.1).strip("= ") == "no tests ran in 0.10s"
