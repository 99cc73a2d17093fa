"""Running migrations in a worker thread of the test's own, beside a fake fleet that the test drives."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection

from fleet.models import Job
from fleet.states import Role
from migrations_app.flows.run import run
from migrations_app.flows.submit import submit
from tests.cast import Cast, principal


@pytest.fixture
def moving(
    committed_cast: Cast, messages: list[Any], rung: list[Any]
) -> Iterator[Callable[..., tuple[Job, threading.Thread]]]:
    """Submits a migration and runs it in a thread; the fake fleet holds it until the test ends it."""
    threads: list[threading.Thread] = []
    committed_cast.fleet.hold_migrations()

    def begin(guest: Any, destination: Any, **wish: Any) -> tuple[Job, threading.Thread]:
        submitted = submit(principal=principal(Role.OPERATOR), guest=guest, destination=destination, **wish)
        assert submitted.job is not None
        return submitted.job, work(submitted.job, threads)

    yield begin
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()


def work(job: Job, threads: list[threading.Thread] | None = None) -> threading.Thread:
    """Run a job in a thread, as a worker does."""

    def go() -> None:
        try:
            run(job.pk)
        finally:
            connection.close()

    thread = threading.Thread(target=go, daemon=True)
    thread.start()
    if threads is not None:
        threads.append(thread)
    return thread
