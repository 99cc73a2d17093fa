"""A whole Drover of the tests' own beside a lab: real web, worker, clock, watcher and Redis, asked over REST."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from lab import Lab

BASE = Path(__file__).resolve().parent.parent.parent
#: Short, so that taking over from a dead worker is seen soon.
LEASE_S = 4


class Installation:
    """Started programs by name; `api` speaks as the operator, with a token."""

    def __init__(self, lab: Lab, *, port: int) -> None:
        self.lab, self.port = lab, port
        self.home = Path(tempfile.mkdtemp(prefix="drover-lab-test-"))
        self.programs: dict[str, subprocess.Popen[bytes]] = {}
        self.token = ""
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("DROVER_", "DJANGO_"))},
            "DROVER_HOME": str(self.home),
            "DROVER_PKI_DIR": str(lab.pki_dir),
            "DROVER_SSH_KEY": str(lab.ssh_key),
            "DROVER_LEASE_S": str(LEASE_S),
            "DROVER_WORKER_THREADS": "8",
            "DJANGO_SETTINGS_MODULE": "fleet.settings",
        }

    def up(self) -> None:
        """Database, people, processes, then the lab's sites and hosts."""
        self.start("redis", *self._redis())
        self.manage("migrate", "--verbosity", "0")
        self.manage("login_link", "--user", "admin", "--create-admin")
        self.token = self.manage("create_token", "--user", "admin", "--role", "admin").strip()
        self.start("web", *self._web())
        self.start_worker("worker")
        self.start("clock", *self._celery("beat", "--schedule", str(self.home / "clock"), "--pidfile="))
        self.start("watcher", sys.executable, "manage.py", "watcher")
        until(self._web_answers, 90, "the web process answers")
        self._register()

    def down(self) -> None:
        """End every process, and leave nothing."""
        for process in self.programs.values():
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.terminate()
        for process in self.programs.values():
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(self.home, ignore_errors=True)

    # -- processes --------------------------------------------------------------------------------------------------

    def start(self, name: str, *argv: str) -> None:
        """Start a program; what it says goes into a file of its name."""
        with (self.home / f"{name}.log").open("ab") as log:
            self.programs[name] = subprocess.Popen(
                argv, cwd=BASE, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def start_worker(self, name: str) -> None:
        """Another worker beside those that run."""
        self.start(
            name,
            *self._celery("worker", "-P", "threads", "-c", "8", "-l", "INFO", "-n", f"{name}@lab"),
            *("--without-gossip", "--without-mingle", "--without-heartbeat"),
        )

    def kill(self, name: str) -> None:
        """kill -9, and wait until it is gone."""
        self.programs[name].kill()
        self.programs[name].wait()

    def start_redis(self) -> None:
        """Redis again, after it was killed."""
        self.start("redis", *self._redis())

    def log(self, name: str) -> str:
        """What a program said."""
        return (self.home / f"{name}.log").read_text(errors="replace")

    def manage(self, *argv: str) -> str:
        """Run a management command; its stdout."""
        done = subprocess.run(
            [sys.executable, "manage.py", *argv],
            cwd=BASE,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    # -- REST -------------------------------------------------------------------------------------------------------

    def api(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """One call; (status, document). Never raises for a refusal."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/api/v1/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Authorization": f"Bearer {self.token}",
                "Content-Type": "application/json",
                **{name.replace("_", "-"): value for name, value in headers.items()},
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=90) as answer:
                return answer.status, json.loads(answer.read() or "null")
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read() or "null")

    def get(self, path: str) -> Any:
        """A document that must be there."""
        status, document = self.api("GET", path)
        assert status == 200, document
        return document

    def guest(self, name: str) -> dict[str, Any]:
        """A guest's row by its name."""
        found = self.get(f"guests/?q={name}")["results"]
        return next((guest for guest in found if guest["name"] == name), {})

    def where(self, name: str) -> str | None:
        """The host a guest's row names."""
        host = self.guest(name).get("host")
        return host["name"] if host else None

    def host(self, name: str) -> dict[str, Any]:
        """A host's row by its name."""
        return next(host for host in self.get("hosts/")["results"] if host["name"] == name)

    def submit(self, guest: str, destination: str, **wish: Any) -> tuple[int, Any]:
        """Ask for a migration."""
        document = {"guest": self.guest(guest)["id"], "destination": self.host(destination)["id"], **wish}
        return self.api("POST", "migrations/", document)

    def move(self, guest: str, destination: str, **wish: Any) -> dict[str, Any]:
        """Ask for a migration that must be accepted; the job."""
        status, job = self.submit(guest, destination, **wish)
        assert status == 202, job
        return job

    def job(self, job: dict[str, Any]) -> dict[str, Any]:
        """The job as it stands."""
        return self.get(f"jobs/{job['id']}/")

    def finished(self, job: dict[str, Any], timeout_s: float = 90) -> dict[str, Any]:
        """The job when it has ended."""
        return until(lambda: self._ended(job), timeout_s, f"{job['title']} ends", self.story(job))

    def in_stage(self, job: dict[str, Any], stage: str, *, percent: float = 0, timeout_s: float = 30) -> dict[str, Any]:
        """The job once it is in a stage and has come so far."""

        def there() -> dict[str, Any] | None:
            now = self.job(job)
            assert not now["finished_at"], now
            far = (now["progress"].get("percent") or 0) >= percent and now["progress"].get("heard_at")
            return now if now["stage"] == stage and far else None

        return until(there, timeout_s, f"{job['title']} is in {stage}", self.story(job))

    def story(self, job: dict[str, Any]) -> Any:
        """A function that tells a job's log and what the programs complained of, for a failing wait."""
        return lambda: "\n".join(
            [json.dumps(self.job(job), indent=1), *(event["message"] for event in self.events(job)), self.notes()]
        )

    def notes(self) -> str:
        """Which programs have ended, and what went wrong in any of them."""
        loud = re.compile(r" (WARNING|ERROR|CRITICAL) |Traceback|Error\b")
        ended = [f"{name} has ended: {code}" for name, one in self.programs.items() if (code := one.poll()) is not None]
        lines = [f"{name}: {line}" for name in self.programs for line in self.log(name).splitlines()[-80:]]
        return "\n".join([*ended, *(line for line in lines if loud.search(line))])

    def events(self, job: dict[str, Any]) -> list[dict[str, Any]]:
        """A job's log."""
        return self.get(f"jobs/{job['id']}/events/?limit=1000")["results"]

    # -- inside -----------------------------------------------------------------------------------------------------

    def _ended(self, job: dict[str, Any]) -> dict[str, Any] | None:
        now = self.get(f"jobs/{job['id']}/?wait=done&timeout=5")
        return now if now["finished_at"] else None

    def _redis(self) -> list[str]:
        socket = str(self.home / "redis.sock")
        return ["redis-server", "--port", "0", "--unixsocket", socket, "--save", "", "--dir", str(self.home)]

    def _web(self) -> list[str]:
        address = ["--host", "127.0.0.1", "--port", str(self.port)]
        return [sys.executable, "-m", "uvicorn", "fleet.asgi:application", *address]

    def _celery(self, *argv: str) -> list[str]:
        return [sys.executable, "-m", "celery", "-A", "fleet.celery", *argv]

    def _web_answers(self) -> bool:
        try:
            return self.api("GET", "sites/")[0] == 200
        except (OSError, urllib.error.URLError):
            return False

    def _register(self) -> None:
        about = self.lab.describe()
        for site in about["sites"]:
            assert self.api("POST", "sites/", site)[0] == 201
        for host in about["hosts"]:
            fields = {name: host[name] for name in ("name", "address", "transport", "port", "site")}
            status, answer = self.api("POST", "hosts/", fields)
            assert status == 201, answer


def until(condition: Any, timeout_s: float, what: str, story: Any = None) -> Any:
    """Poll until a condition is true; fails with what was waited for and, if given, the story so far."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if result := condition():
            return result
        time.sleep(0.05)
    raise AssertionError(f"not within {timeout_s} s: {what}\n{story() if story else ''}")
