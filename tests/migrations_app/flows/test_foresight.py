"""Forecasts while a guest moves, and what is kept of them when it has arrived."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from typing import Any

import pytest

from fleet.models import Job
from fleet.states import JobState
from migrations_app.history import Past
from migrations_app.models import ForecastError
from migrations_app.options import Options
from tests.cast import Cast
from tests.conftest import wait_until

Moving = Callable[..., tuple[Job, threading.Thread]]
MIB = 1 << 20


def progress(job: Job) -> dict[str, Any]:
    return Job.objects.values_list("progress", flat=True).get(pk=job.pk)


def outlook(job: Job, code: str) -> dict[str, Any]:
    """The stored outlook, once it has come to this."""
    wait_until(lambda: progress(job).get("outlook", {}).get("text_code") == code, 10, f"the outlook is {code}")
    return progress(job)["outlook"]


def test_a_running_move_tells_when_it_will_be_done(committed_cast: Cast, moving: Moving) -> None:
    cast = committed_cast
    job, thread = moving(cast.web, cast.beta, options=Options(bandwidth_mib_s=10))
    move = cast.fleet.wait_for_migration(str(cast.web.uuid))
    move.copy_memory(done_bytes=156 * MIB, remaining_bytes=100 * MIB, memory_rate_bytes_s=10 * MIB)
    found = outlook(job, "done_about")
    # 100 MiB, of which nine tenths are taken to hold something: about 88 MiB at 10 MiB/s, the pause, the proof.
    assert found["eta_s"] == pytest.approx(9.3, abs=0.4)
    assert found["done_at"] > progress(job)["heard_at"]
    assert re.fullmatch(r"Done in about (9|10) s with a pause of about \d+ ms\.", found["text"])
    assert found["remedies"] == []
    told = progress(job)
    assert told["eta_s_low"] < found["eta_s"] < told["eta_s_high"]
    move.succeed()
    thread.join(20)


def test_a_move_that_will_never_end_says_so_once_in_its_log_and_names_what_would_help(
    committed_cast: Cast, moving: Moving
) -> None:
    cast = committed_cast
    cast.web.dirty_bytes_s = 30 * MIB
    cast.web.save(update_fields=["dirty_bytes_s"])
    options = Options(bandwidth_mib_s=10, auto_converge=False, post_copy=True)
    job, thread = moving(cast.web, cast.beta, options=options)
    move = cast.fleet.wait_for_migration(str(cast.web.uuid))
    move.copy_memory(done_bytes=156 * MIB, remaining_bytes=100 * MIB, memory_rate_bytes_s=10 * MIB)
    found = outlook(job, "not_converging")
    assert (found["converges"], found["eta_s"]) == (False, None)
    assert found["text"] == "Will not converge: the guest writes 30 MiB/s, 10 MiB/s are carried."
    assert set(found["remedies"]) >= {"bandwidth", "post-copy", "pause", "cancel"}
    wait_until(lambda: job.events.filter(code="outlook.not_converging").exists(), 10, "the log says so")
    move.succeed()
    thread.join(20)
    assert job.events.filter(code="outlook.not_converging").count() == 1


def test_the_outcome_is_held_against_the_forecasts(committed_cast: Cast, moving: Moving) -> None:
    cast = committed_cast
    job, thread = moving(cast.web, cast.beta)
    move = cast.fleet.wait_for_migration(str(cast.web.uuid))
    move.copy_memory(done_bytes=100 * MIB, remaining_bytes=156 * MIB, memory_constant_pages=16 * 256)
    wait_until(lambda: "outlook_at_30" in progress(job), 10, "39 % are done")
    move.succeed(downtime_ms=100)
    thread.join(20)
    error = ForecastError.objects.get(job=job)
    assert (error.guest, error.source, error.destination) == (cast.web, cast.alpha, cast.beta)
    assert error.duration_ms == Job.objects.get(pk=job.pk).result["duration_ms"]
    assert error.foreseen == progress(job)["forecast"]
    assert error.foreseen_at_30["percent"] == pytest.approx(39.1, abs=0.1)
    assert error.duration_error == pytest.approx(1000 * error.foreseen["duration_s"] / error.duration_ms - 1, abs=0.001)
    # 350 ms were foreseen: what 300 ms carry, and 50 of hand-over.
    assert error.pause_error == pytest.approx(2.5)
    # 16 of 256 MiB were empty.
    assert error.taught["memory_share"] == pytest.approx(1 - 16 / 256, abs=0.001)
    assert error.taught["rate_mib_s"] == 100
    # What was left when it was looked at is not the hand-over's.
    at_30 = error.foreseen_at_30
    assert error.taught["hand_over_seen_ms"] == max(100 - (at_30["pause_ms"] - at_30["hand_over_ms"]), 5)


def test_what_hand_overs_took_beside_the_last_pass_is_foreseen_in_the_next_move(
    committed_cast: Cast, moving: Moving, monkeypatch: pytest.MonkeyPatch
) -> None:
    cast = committed_cast
    taught = [Past(guest="", source="", destination="", copied_disks=False, hand_over_seen_ms=71.0)] * 3
    monkeypatch.setattr("migrations_app.flows.expectations.past_moves", lambda guest: taught)
    job, thread = moving(cast.web, cast.beta)
    move = cast.fleet.wait_for_migration(str(cast.web.uuid))
    move.copy_memory(done_bytes=100 * MIB, remaining_bytes=156 * MIB)
    wait_until(lambda: "outlook_at_30" in progress(job), 10, "39 % are done")
    assert progress(job)["outlook_at_30"]["hand_over_ms"] == 71.0
    move.succeed()
    thread.join(20)


def test_a_reckoning_that_breaks_fails_no_job(
    committed_cast: Cast, moving: Moving, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    cast = committed_cast
    monkeypatch.setattr("migrations_app.flows.reckoning._store", lambda *_: 1 / 0)
    job, thread = moving(cast.web, cast.beta)
    cast.fleet.wait_for_migration(str(cast.web.uuid)).succeed()
    thread.join(20)
    assert Job.objects.get(pk=job.pk).state == JobState.SUCCEEDED
    assert "could not be held against what happened" in caplog.text


def test_a_link_that_carries_next_to_nothing_breaks_no_job(committed_cast: Cast, moving: Moving) -> None:
    cast = committed_cast
    job, thread = moving(cast.web, cast.beta)
    move = cast.fleet.wait_for_migration(str(cast.web.uuid))
    for done in range(3):
        move.copy_memory(done_bytes=done, remaining_bytes=256 * MIB, memory_rate_bytes_s=0)
        wait_until(lambda: progress(job).get("outlook"), 10, "it is told")
    move.succeed()
    thread.join(20)
    job.refresh_from_db()
    assert job.state == JobState.SUCCEEDED, job.error
