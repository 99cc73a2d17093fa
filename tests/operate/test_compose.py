"""docker-compose.yml, as far as it can be judged without Docker."""

from __future__ import annotations

import copy
import shlex
import subprocess
from collections.abc import Callable

import pytest

from tests.operate.compose import document, problems
from tests.operate.conftest import ROOT


def test_the_file_is_what_the_compose_specification_wants() -> None:
    assert problems(document()) == []


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda services: services["web"].update(image="drover:latest"), "not pinned"),
        (lambda services: services["web"].pop("healthcheck"), "no health check"),
        (lambda services: services["web"].update(comand=["web"]), "comand"),
        (lambda services: services["web"]["environment"].update(DROVER_COLOUR="blue"), "DROVER_COLOUR"),
        (lambda services: services["clock"].update(depends_on={"rabbit": {"condition": "service_started"}}), "rabbit"),
        (lambda services: services["web"].update(volumes=["elsewhere:/x"]), "elsewhere"),
    ],
)
def test_what_is_wrong_with_it_would_be_noticed(spoil: Callable[[dict], object], complaint: str) -> None:
    spoiled = copy.deepcopy(document())
    spoil(spoiled["services"])
    assert complaint in " ".join(problems(spoiled))


def test_no_container_of_ours_runs_as_root_or_with_a_capability() -> None:
    assert "USER drover" in (ROOT / "Dockerfile").read_text()
    for name in ("web", "worker", "clock", "watcher"):
        service = document()["services"][name]
        assert service["cap_drop"] == ["ALL"]
        assert service["read_only"] is True


@pytest.mark.parametrize("name", ["worker", "clock", "watcher", "web"])
def test_every_service_starts_a_process_that_exists(name: str, manage) -> None:
    assert document()["services"][name]["command"] == [name]
    said = manage("run", name, "--show", "--listen", "127.0.0.1:18999")
    assert said.returncode == 0, said.stderr
    words = shlex.split(said.stdout)
    module = words.index("-m") + 2 if "-m" in words else len(words)
    helped = subprocess.run([*words[:module], "--help"], cwd=ROOT, capture_output=True, check=False)
    assert helped.returncode == 0, helped.stderr


def test_an_unknown_process_is_refused_by_the_entry_script(environment) -> None:
    done = subprocess.run(
        ["sh", "docker/start", "toaster"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "toaster" in done.stderr
