"""A worker that can be made to wait at an exact point between two of its steps: `python -m tests.faults.worker ...`.

The product knows nothing of it. A point is a pipe `hold-NAME` in the installation's home: whoever comes past while the
pipe is there writes `hold-NAME.reached` and waits until somebody opens it for writing, or until it is killed.
"""

from __future__ import annotations

import functools
import importlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

#: Name of the point -> (module, function, whether it waits before or after it).
POINTS: dict[str, tuple[str, str, str]] = {
    "check": ("migrations_app.flows.prepare", "check", "before"),
    "volumes": ("migrations_app.flows.prepare", "make_volumes", "after"),
    "intent": ("migrations_app.flows.transfer", "carry", "before"),
    "success": ("migrations_app.flows.transfer", "carry", "after"),
    "clean-up": ("migrations_app.flows.clean_up", "after_arrival", "before"),
    "cleaned": ("migrations_app.flows.clean_up", "after_arrival", "after"),
    "relay-finish": ("migrations_app.flows.relay", "finish", "before"),
    "relay-back": ("migrations_app.flows.relay", "give_back", "before"),
}
#: Where a move through the worker enters each of its stages: points `relay-STAGE`.
RELAY = "migrations_app.flows.relay"


def wait_at(point: str) -> None:
    """Wait here if somebody wants that."""
    pipe = Path(os.environ["DROVER_HOME"]) / f"hold-{point}"
    if not pipe.exists():
        return
    pipe.with_suffix(".reached").touch()
    with pipe.open("rb") as line:
        line.read()


def install() -> None:
    """Put every point in its place; a function that was renamed is an error here, not a row that tests nothing."""
    for point, (module_name, function, when) in POINTS.items():
        module = importlib.import_module(module_name)
        setattr(module, function, waiting(getattr(module, function), point, when))
    module = importlib.import_module(RELAY)
    module._forward = waiting_at_each_stage(module._forward)


def waiting(function: Callable[..., Any], point: str, when: str) -> Callable[..., Any]:
    """The function, with a point before or after it."""

    @functools.wraps(function)
    def around(*args: Any, **kwargs: Any) -> Any:
        if when == "before":
            wait_at(point)
        answer = function(*args, **kwargs)
        if when == "after":
            wait_at(point)
        return answer

    return around


def waiting_at_each_stage(forward: Callable[[Any], None]) -> Callable[[Any], None]:
    """A point before each stage, by the stage's own name."""

    @functools.wraps(forward)
    def around(course: Any) -> None:
        wait_at(f"relay-{course.notes.stage.value}")
        forward(course)

    return around


def main(argv: list[str]) -> None:
    """Celery's own worker, after the points are in place."""
    import django

    from fleet.celery import app

    django.setup()
    install()
    app.worker_main(argv)


if __name__ == "__main__":
    main(sys.argv[1:])
