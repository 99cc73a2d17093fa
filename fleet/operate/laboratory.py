"""The lab, from outside: another program, asked through its command line and answering in JSON."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from django.conf import settings

from fleet.operate.places import Places
from fleet.operate.supervisor import tail
from fleet.refusals import Refused

#: Far more than it ever takes; a lab that hangs must not hang the demo for good.
UP_S = 180
DOWN_S = 60
ASK_S = 30


class Laboratory:
    """The lab called `name`."""

    def __init__(self, places: Places, name: str) -> None:
        self.places, self.name = places, name
        self.log = places.log("lab")
        self.raising: subprocess.Popen[str] | None = None

    def begin(self) -> subprocess.Popen[str]:
        """Start bringing it up beside everything else."""
        with self.log.open("w") as sink:
            self.raising = subprocess.Popen(
                self._argv("up", "--json"),
                cwd=settings.BASE_DIR,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=sink,
                text=True,
                start_new_session=True,
            )
        return self.raising

    def wait(self) -> dict[str, Any]:
        """Its description (docs/lab.md) once it is up; Refused with the end of its log."""
        raising = self.raising or self.begin()
        try:
            said, _ = raising.communicate(timeout=UP_S)
        except subprocess.TimeoutExpired:
            raising.kill()
            raising.communicate()
            raise self._refusal(f"The lab was not up after {UP_S} s.") from None
        if raising.returncode:
            raise self._refusal("The lab does not come up.")
        self.raising = None
        found: dict[str, Any] = json.loads(said)
        return found

    def status(self) -> dict[str, Any]:
        """What is there now; Refused when it cannot be asked."""
        done = subprocess.run(
            self._argv("status", "--json"),
            cwd=settings.BASE_DIR,
            capture_output=True,
            text=True,
            timeout=ASK_S,
            check=False,
        )
        if done.returncode:
            raise Refused(f"The lab does not answer: {done.stderr.strip()}", code="lab_failed")
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def down(self) -> None:
        """Leave nothing of it, also when it was only half up."""
        if self.raising is not None:
            self.raising.terminate()
            self.raising.communicate()
            self.raising = None
        with self.log.open("a") as sink:
            subprocess.run(
                self._argv("down"), cwd=settings.BASE_DIR, stdout=sink, stderr=sink, timeout=DOWN_S, check=False
            )

    def _argv(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "lab", words[0], "--name", self.name, *words[1:]]

    def _refusal(self, text: str) -> Refused:
        said = tail(self.log.read_text(errors="replace"))
        return Refused(f"{text} The end of {self.log}:\n{said}", code="lab_failed")


def check_keys(places: Places) -> None:
    """Refused where the operator's own keys are in use: a lab has no place in a real installation."""
    for setting, used, ours in _folders(places):
        if used != ours or (ours.exists() and not ours.is_symlink()):
            raise Refused(
                f"{used} holds keys of your own, and the lab comes with others.",
                code="own_keys",
                remedy=f"Give the demo a home of its own (and unset {setting}): DROVER_HOME=var/demo make demo",
            )


def use_keys(places: Places, about: dict[str, Any]) -> None:
    """Make the lab's keys those of this installation."""
    targets = (Path(about["pki_dir"]), Path(about["ssh_key"]).parent)
    for (_, _, ours), target in zip(_folders(places), targets, strict=True):
        ours.unlink(missing_ok=True)
        ours.symlink_to(target)


def forget_keys(places: Places) -> None:
    """They end with the lab."""
    for _, _, ours in _folders(places):
        if ours.is_symlink():
            ours.unlink()


def _folders(places: Places) -> tuple[tuple[str, Path, Path], ...]:
    return (
        ("DROVER_PKI_DIR", Path(settings.PKI_DIR), places.home / "pki"),
        ("DROVER_SSH_KEY", Path(settings.SSH_KEY).parent, places.home / "ssh"),
    )
