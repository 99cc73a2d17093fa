"""One worker's pen for one job."""

from __future__ import annotations

from typing import Any

import pytest

from fleet.documents import job_document
from fleet.jobs import lease, lifecycle
from fleet.jobs.progress import Reporter
from fleet.models import Job, JobCommand, JobSample
from fleet.states import JobState, StepState

Messages = list[tuple[str, dict[str, Any]]]


@pytest.fixture
def pen(committed_job: Job, messages: Messages) -> Reporter:
    """A worker that has begun."""
    held = lease.take(committed_job.pk)
    assert held is not None
    lifecycle.advance(committed_job.pk, JobState.RUNNING, lease=held, code="started", message="started")
    messages.clear()
    return Reporter(held)


def fresh(pen: Reporter) -> dict[str, Any]:
    return job_document(Job.objects.for_documents().get(pk=pen.job.pk))


def sent(messages: Messages, pen: Reporter) -> list[dict[str, Any]]:
    topic = f"job:{pen.job.pk}"
    return [message["document"] for at, message in messages if at == topic and message["type"] == "update"]


def test_a_report_costs_three_small_statements(pen: Reporter, django_assert_num_queries: Any) -> None:
    pen.report({"percent": 1})
    for number in (2, 3, 4):
        # BEGIN, progress with heartbeat and fence, its new number, COMMIT, then the operator's wishes.
        with django_assert_num_queries(5):
            pen.report({"percent": number})


def test_every_document_that_is_told_equals_a_fresh_one(pen: Reporter, messages: Messages) -> None:
    acts = [
        lambda: pen.report({"percent": 1.5, "memory": {"total": 10, "done": 1, "remaining": 9}}),
        lambda: pen.start("check", "asking both hosts"),
        pen.report,
        lambda: pen.start("memory"),
        lambda: pen.report({"percent": 99.0}),
        lambda: pen.end("memory", StepState.FAILED, "the link broke"),
        lambda: pen.end("verify", StepState.SKIPPED),
    ]
    for count, act in enumerate(acts, start=1):
        act()
        assert len(sent(messages, pen)) == count, "one message for each report"
        assert sent(messages, pen)[-1] == fresh(pen)


def test_numbers_rise_by_one_with_every_document(pen: Reporter, messages: Messages) -> None:
    for _ in range(3):
        pen.report({})
    numbers = [document["seq"] for document in sent(messages, pen)]
    assert numbers == list(range(numbers[0], numbers[0] + 3))


def test_the_list_and_the_page_hear_the_same(pen: Reporter, messages: Messages) -> None:
    pen.report({"percent": 7})
    assert [topic for topic, _ in messages] == ["jobs", f"job:{pen.job.pk}"]
    assert messages[0][1]["document"] == messages[1][1]["document"]
    assert messages[0][1]["sites"] == [str(pen.job.host.site_id)]


def test_the_answer_to_a_report_is_what_operators_want(pen: Reporter) -> None:
    assert pen.report() == []
    command = JobCommand.objects.create(job=pen.job, kind="cancel")
    assert pen.report() == [command]
    pen.settle(command, "told to stop")
    pen.settle(command, "told twice")
    assert pen.report() == []
    command.refresh_from_db()
    assert command.outcome == "told to stop"
    assert [event.code for event in pen.job.events.all()] == ["started", "cancel.handled"]


def test_a_new_step_ends_the_one_before(pen: Reporter) -> None:
    pen.start("check")
    pen.start("memory", "first pass")
    steps = {step.name: step for step in pen.job.steps.all()}
    assert [steps[name].state for name in ("check", "memory", "verify")] == ["done", "running", "waiting"]
    assert steps["check"].finished_at is not None
    assert (steps["memory"].detail, steps["memory"].finished_at) == ("first pass", None)
    assert fresh(pen)["stage"] == "memory"
    assert pen.step_state("memory") is StepState.RUNNING


def test_a_step_that_goes_on_keeps_its_beginning(pen: Reporter) -> None:
    pen.start("memory")
    began = fresh(pen)["steps"][1]["started_at"]
    pen.start("memory", "second pass")
    assert fresh(pen)["steps"][1]["started_at"] == began


def test_an_unknown_step_is_loud(pen: Reporter) -> None:
    with pytest.raises(KeyError):
        pen.start("coffee")


def test_a_report_without_numbers_keeps_the_last_ones(pen: Reporter) -> None:
    pen.report({"percent": 12})
    pen.report()
    assert fresh(pen)["progress"] == {"percent": 12}


def test_a_line_reaches_the_log_and_the_page(pen: Reporter, messages: Messages) -> None:
    pen.say("check.cpu", "mind the CPU", level="warning", data={"missing": ["avx2"]})
    topic, message = messages[-1]
    assert (topic, message["type"]) == (f"job:{pen.job.pk}", "event")
    said = message["document"]
    assert (said["seq"], said["level"], said["data"]) == (2, "warning", {"missing": ["avx2"]})
    assert fresh(pen)["seq"] == pen.job.seq, "a line does not change the job's own document"


def test_the_chart_keeps_a_point_a_second_and_none_before_anything_is_counted(
    pen: Reporter,
) -> None:
    memory = {"total": 100, "done": 40, "remaining": 60}
    pen.report({"elapsed_ms": 5000})
    for elapsed in (1000, 1250, 1500, 2000, 2000):
        pen.report({"elapsed_ms": elapsed, "bytes_total": 100, "memory": memory, "rate_bytes_s": 7, "iteration": 1})
    kept = JobSample.objects.filter(job=pen.job).values_list("elapsed_ms", "remaining_bytes", "rate_bytes_s")
    assert list(kept) == [(1000, 60, 7), (2000, 60, 7)]
