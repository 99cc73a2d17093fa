"""One supervisor over all processes of an installation: it restarts what dies and ends everything in order."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Mapping, Sequence
from typing import Any

from django.conf import settings
from supervisor.xmlrpc import SupervisorTransport

from fleet.operate.places import Places
from fleet.operate.programs import Program
from fleet.refusals import Refused

HEAD = """\
; Written by `manage.py up`; changes are lost.
[supervisord]
nodaemon=true
silent=true
{user}
directory={folder}
logfile={logs}/supervisor.log
logfile_maxbytes=2MB
logfile_backups=1
loglevel=warn
pidfile={run}/supervisor.pid
[unix_http_server]
file={socket}
chmod=0600
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
"""
GROUP = """
[group:rank{rank}]
programs={names}
priority={rank}
"""
# Important: every process dies with the supervisor, however that ends: a second start must find nothing left over.
PROGRAM = """
[program:{name}]
command=setpriv --pdeathsig KILL -- {command}
priority={rank}
autorestart=true
startsecs=1
startretries=20
stopsignal=TERM
stopwaitsecs={end_s}
stopasgroup=false
killasgroup=true
redirect_stderr=true
stdout_logfile={log}
stdout_logfile_maxbytes=10MB
stdout_logfile_backups=2
"""
#: Longest time an ordered end may take.
END_S = 45


def configuration(places: Places, programs: Sequence[Program]) -> str:
    """Supervisor's ini file. It takes "%" for its own."""
    user = "user=root" if os.geteuid() == 0 else ""
    values = {
        "user": user,
        "folder": settings.BASE_DIR,
        "logs": places.logs,
        "run": places.run,
        "socket": places.control_socket,
    }
    parts = [HEAD.format(**{key: str(value).replace("%", "%%") for key, value in values.items()})]
    for program in programs:
        parts.append(
            PROGRAM.format(
                name=program.name,
                command=shlex.join(program.argv).replace("%", "%%"),
                rank=program.rank,
                end_s=program.end_s,
                log=str(places.log(program.name)).replace("%", "%%"),
            )
        )
    for rank in sorted({program.rank for program in programs}):
        names = ",".join(program.name for program in programs if program.rank == rank)
        parts.append(GROUP.format(rank=rank, names=names))
    return "".join(parts)


class Supervisor:
    """The supervisor of one installation, as a child of this process that ends with it."""

    def __init__(self, places: Places) -> None:
        self.places = places
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, programs: Sequence[Program], environment: Mapping[str, str]) -> None:
        """Start all of them; returns before they are ready."""
        path = self.places.run / "supervisor.conf"
        path.write_text(configuration(self.places, programs))
        for program in programs:
            rotate(self.places, program.name)
        with self.places.log("supervisor").open("ab") as sink:
            self.process = subprocess.Popen(
                [
                    "setpriv",
                    "--pdeathsig",
                    "TERM",
                    "--",
                    sys.executable,
                    "-m",
                    "supervisor.supervisord",
                    "-c",
                    str(path),
                ],
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                env={**os.environ, **environment, "PYTHONUNBUFFERED": "1"},
                start_new_session=True,
            )

    def states(self) -> dict[str, str]:
        """Name to supervisor's word for the state; empty while the supervisor itself is not up yet."""
        transport = SupervisorTransport(None, None, f"unix://{self.places.control_socket}")
        try:
            with xmlrpc.client.ServerProxy("http://localhost", transport=transport) as server:
                found: Any = server.supervisor.getAllProcessInfo()
        except (OSError, xmlrpc.client.Error):
            return {}
        return {item["name"]: item["statename"] for item in found}

    def is_alive(self) -> bool:
        """Whether the supervisor itself still runs."""
        return self.process is not None and self.process.poll() is None

    def wait_until_up(self, names: Sequence[str], timeout_s: float = 120) -> None:
        """Until each runs; Refused with the end of its log for one that keeps dying."""
        deadline = time.monotonic() + timeout_s
        tries = 0
        while True:
            states = self.states()
            bad = [name for name in names if states.get(name) in ("BACKOFF", "FATAL")]
            tries = tries + 1 if bad else 0
            if states and all(states.get(name) == "RUNNING" for name in names):
                return
            if not self.is_alive():
                raise self.refusal("supervisor", "The supervisor ended at once.")
            if tries > 20 or time.monotonic() > deadline:
                name = (bad or [name for name in names if states.get(name) != "RUNNING"])[0]
                raise self.refusal(name, f"The process '{name}' does not come up.")
            time.sleep(0.1)

    def refusal(self, name: str, text: str) -> Refused:
        """With the end of a log."""
        log = self.places.log(name)
        return Refused(f"{text} The end of {log}:\n{tail(log.read_text(errors='replace'))}", code="process_failed")

    def end(self) -> None:
        """Redis last; what does not end in its time is killed."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(END_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None


def rotate(places: Places, name: str) -> None:
    """The run before stays readable as NAME.log.before; this run's log starts empty."""
    log = places.log(name)
    if log.exists():
        log.replace(log.with_suffix(".log.before"))
    log.touch(mode=0o600)


def tail(text: str, lines: int = 15) -> str:
    """The last lines, moved in."""
    return "\n".join(f"    {line}" for line in text.splitlines()[-lines:]) or "    (it is empty)"
