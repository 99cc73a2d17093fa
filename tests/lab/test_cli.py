"""What the command line understands."""

from __future__ import annotations

import pytest

from lab.cli import main, parser


def test_every_command_takes_the_labs_name() -> None:
    assert parser().parse_args(["status", "--name", "test-a", "--json"]).name == "test-a"


def test_what_follows_the_host_is_left_to_virsh() -> None:
    assert parser().parse_args(["virsh", "alpha", "list", "--all"]).argv == ["list", "--all"]


def test_a_lab_that_is_not_up_is_said_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: object, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DROVER_LAB_HOME", str(tmp_path))
    assert main(["status", "--name", "nothing"]) == 1
    assert capsys.readouterr().err == "lab: lab nothing is not up\n"
