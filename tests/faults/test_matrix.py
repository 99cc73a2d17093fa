"""Every row of the fault matrix on real hosts: reach the point, break it, mend it, then ask what is true."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.faults import truth
from tests.faults.fault import release, wake
from tests.faults.matrix import ROWS, Row
from tests.faults.scene import Scene
from tests.faults.seen import Record, Seen
from tests.with_lab.installation import until


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_whatever_breaks_the_guest_is_safe_and_the_rows_are_true(
    row: Row, scene_of: Callable[[Row], Scene], record: Record
) -> None:
    scene = scene_of(row)
    try:
        row.point.reach(scene)
        row.fault.inject(scene)
        row.fault.broken(scene)
        row.fault.heal(scene)
        # What kept the move at its point lets go, where the fault did not begin with that.
        release(scene)
        wake(scene)
        back_at = time.monotonic()
        ended = scene.ended()
        until(lambda: truth.row_is_true(scene, ended), row.within_s, "the guest's row is true", story(scene))
        true_after_s = time.monotonic() - back_at
        wrong = settled(scene, ended)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{scene.drover.notes()}") from error
    events = scene.drover.events(ended)
    wrong += [f"the log does not say {code}" for code in row.says if code not in {e["code"] for e in events}]
    if true_after_s > row.within_s:
        wrong.append(f"true only {true_after_s:.0f} s after everything was back")
    if end_of(ended) not in {end.partition(":")[0] for end in row.ends}:
        wrong.append(f"ended as {end_of(ended)}, not as {' or '.join(row.ends)}")
    words = events[-1]["message"]
    codes = [event["code"] for event in events]
    seen = Seen(end=end_of(ended), words=words, true_after_s=round(true_after_s, 1), log=codes, wrong=wrong)
    record.keep(row.name, seen)
    assert not wrong, "\n".join([*wrong, scene.drover.told(ended)])


def settled(scene: Scene, ended: dict[str, Any]) -> list[str]:
    """What is still wrong when hosts had a moment to clear up after themselves."""
    found: list[str] = []

    def well() -> bool:
        found[:] = truth.wrong(scene, ended)
        return not found

    deadline = time.monotonic() + 10
    while not well() and time.monotonic() < deadline:
        time.sleep(0.5)
    return found


def end_of(ended: dict[str, Any]) -> str:
    """The end as the matrix writes it."""
    return f"{ended['state']}@{truth.place(ended)}"


def story(scene: Scene) -> Callable[[], str]:
    """For a wait that fails."""
    return lambda: scene.drover.told(scene.job) + str(scene.drover.guest(scene.guest))
