"""What the network saw of a move: measured with real echoes to this machine, in place of a guest's address."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from fleet.models import Guest, Job
from migrations_app.echo import EchoLine, NoEcho
from migrations_app.flows import outage
from tests.cast import Cast
from tests.conftest import wait_until

Moving = Callable[..., tuple[Job, threading.Thread]]


@pytest.fixture
def audible() -> str:
    """An address that answers echoes."""
    try:
        line = EchoLine("127.0.0.1")
    except NoEcho as why:
        pytest.skip(str(why))
    line.ask(1)
    heard = line.answers(wait_s=2)
    line.close()
    if not heard:
        pytest.skip("this machine answers no echoes")
    return "127.0.0.1"


def ended(cast: Cast, moving: Moving, *, before_end: Any = None) -> dict[str, Any]:
    job, thread = moving(cast.web, cast.beta)
    move = cast.fleet.wait_for_migration(str(cast.web.uuid))
    if before_end:
        before_end()
    move.succeed()
    thread.join(20)
    return dict(Job.objects.get(pk=job.pk).result)


def network(result: dict[str, Any]) -> dict[str, str]:
    return next(line for line in result["evidence"] if line["what"] == "network")


def test_a_guest_that_answers_all_the_while_is_proven_with_its_silence(
    committed_cast: Cast, moving: Moving, audible: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[outage.Watch] = []
    start = outage.Watch.start
    monkeypatch.setattr(outage.Watch, "start", lambda watch: (heard.append(watch), start(watch)))
    Guest.objects.filter(pk=committed_cast.web.pk).update(watch_address=audible)
    result = ended(
        committed_cast,
        moving,
        before_end=lambda: wait_until(lambda: heard and heard[0]._answered_since(0.0), 10, "an echo came back"),
    )
    assert network(result)["outcome"] == "proven"
    assert isinstance(result["outage_ms"], int)
    assert "ICMP echo to 127.0.0.1 every 10 ms" in result["outage_method"]


def test_without_an_address_nothing_is_measured_and_nothing_waits(committed_cast: Cast, moving: Moving) -> None:
    result = ended(committed_cast, moving)
    assert (result["outage_ms"], network(result)["outcome"]) == (None, "not_available")
    assert network(result)["how"] == "no address of the guest is known"


def test_a_fault_of_the_measurement_fails_no_move(
    committed_cast: Cast, moving: Moving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outage.Watch, "_addresses", lambda _: 1 / 0)
    result = ended(committed_cast, moving)
    assert result["proven"] is True
    assert "the measurement failed" in network(result)["how"]
