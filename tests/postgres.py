"""A private PostgreSQL for one command: `python -m tests.postgres -- COMMAND...` with DROVER_DATABASE_URL set."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

#: Nothing in it has to survive anything.
FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=100", "listen_addresses=")
READY_S = 30


def programs() -> Path:
    """Debian keeps the server's programs out of PATH; the newest version wins."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[4]))
    on_path = shutil.which("postgres")
    if not found and not on_path:
        sys.exit("PostgreSQL is not installed: apt-get install postgresql")
    return found[-1].parent if found else Path(str(on_path)).parent


def unprivileged() -> tuple[int, int] | None:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name: entry for entry in pwd.getpwall()}
    entry = names.get("postgres") or names["nobody"]
    return entry.pw_uid, entry.pw_gid


def start(folder: Path, user: tuple[int, int] | None) -> subprocess.Popen[bytes]:
    """A new cluster in `folder`, reached through a socket there only."""
    if user:
        os.chown(folder, *user)
    initdb = [programs() / "initdb", "-D", folder / "data", "-U", "drover", "-A", "trust", "-E", "UTF8", "--no-sync"]
    subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL, env=environment(), cwd=folder, **identity(user))
    return serve(folder, user)


def environment() -> dict[str, str]:
    """Nothing of the caller's locale or settings."""
    return {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "TZ": "UTC"}


def identity(user: tuple[int, int] | None) -> dict[str, Any]:
    """How a program is started as that user."""
    return {"user": user[0], "group": user[1], "extra_groups": []} if user else {}


def serve(folder: Path, user: tuple[int, int] | None) -> subprocess.Popen[bytes]:
    """The server of a cluster that is there, for the first time or again."""
    server = ["setpriv", "--pdeathsig", "KILL", "--", programs() / "postgres"]
    options = [word for option in FAST for word in ("-c", option)]
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(
            [*server, "-D", folder / "data", "-k", folder, *options],
            env=environment(),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            **identity(user),
        )


@contextmanager
def server() -> Iterator[str]:
    """Its URL, for as long as the block runs."""
    folder = Path(tempfile.mkdtemp(prefix="drover-pg-"))
    process = start(folder, unprivileged())
    try:
        deadline = time.monotonic() + READY_S
        ready = [programs() / "pg_isready", "-q", "-h", folder]
        while subprocess.run(ready, check=False).returncode:
            if process.poll() is not None or time.monotonic() > deadline:
                sys.exit(f"PostgreSQL does not come up:\n{(folder / 'log').read_text()}")
            time.sleep(0.05)
        subprocess.run([programs() / "createdb", "-h", folder, "-U", "drover", "drover"], check=True)
        yield f"postgres://drover@{quote(str(folder), safe='')}/drover"
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def main(argv: list[str]) -> int:
    """Run the command; its exit code is ours."""
    command = argv[1:] if argv[:1] == ["--"] else argv
    if not command:
        sys.exit(f"usage: {__doc__}")
    with server() as url:
        return subprocess.run(command, env={**os.environ, "DROVER_DATABASE_URL": url}, check=False).returncode


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    sys.exit(main(sys.argv[1:]))
