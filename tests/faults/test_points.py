"""The matrix is whole before any host is started: every point is there, every row has a name of its own."""

from __future__ import annotations

import importlib

import pytest

from tests.faults import matrix, report, seen, worker


@pytest.mark.parametrize("point", worker.POINTS)
def test_every_point_of_a_worker_is_a_function_that_is_there(point: str) -> None:
    module, function, when = worker.POINTS[point]
    assert callable(getattr(importlib.import_module(module), function))
    assert when in {"before", "after"}


def test_every_row_has_a_name_of_its_own() -> None:
    names = [row.name for row in matrix.ROWS]
    assert len(names) == len(set(names))


def test_every_stage_of_a_move_is_in_the_matrix() -> None:
    stages = {row.point.stage for row in matrix.ROWS}
    assert stages == {"queued", "prepare", "disks", "memory", "switch-over", "post-copy", "verify", "clean-up"}


def test_every_run_has_each_kind_of_fault_and_each_stage_of_each_way() -> None:
    chosen = [row for row in matrix.ROWS if row.name in matrix.quick(matrix.ROWS)]
    assert {row.number for row in chosen} == {row.number for row in matrix.ROWS}
    assert {row.point.stage for row in chosen} == {row.point.stage for row in matrix.ROWS}
    assert {row.wish.get("mode") for row in chosen} == {row.wish.get("mode") for row in matrix.ROWS}
    assert len(chosen) < len(matrix.ROWS) / 2


def test_a_row_that_was_not_run_is_not_told_as_if_it_had_held() -> None:
    page = report.written(matrix.ROWS[:1], seen.Record({}))
    assert "not run" in page
    assert "0 of 1 lines held" in page


def test_a_row_that_did_not_hold_says_so_in_the_page() -> None:
    row = matrix.ROWS[0]
    bad = seen.Seen(end="failed@alpha", words="x", true_after_s=1.0, log=[], wrong=["two copies"])
    assert "**did not hold**: two copies" in report.written([row], seen.Record({row.name: bad}))
