"""Boundary. Stop a host's libvirtd at an exact phase of a migration: its hook waits on a pipe until it is released.

Points are libvirt's hook operations (https://libvirt.org/hooks.html): at a destination `migrate`, `prepare`, `start`,
`started`; at a source `release`, `stopped`; and `reconnect` after a daemon's restart.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from lab import processes
from lab.places import Places


def folder(places: Places, host: str) -> Path:
    """What the hook looks at."""
    return places.host(host) / "hold"


def hold(places: Places, host: str, at: str, guest: str | None = None) -> None:
    """From now on the hook waits at this point, for this guest or for any."""
    pipe = folder(places, host) / f"{guest or 'any'}.{at}"
    if not pipe.exists():
        os.mkfifo(pipe)


def wait_held(places: Places, host: str, timeout_s: float) -> str:
    """Until some hook on the host waits; returns where, as `GUEST.POINT` or `any.POINT`."""

    return processes.wait_until(lambda: reached(places, host), timeout_s, f"{host}: no hook was reached")


def reached(places: Places, host: str) -> str:
    """Where some hook on the host waits, or has waited; "" for nowhere."""
    return next((path.name.removesuffix(".reached") for path in folder(places, host).glob("*.reached")), "")


def release(places: Places, host: str) -> None:
    """Let every hook of the host go on, and hold none any more."""
    for path in folder(places, host).iterdir():
        if path.is_fifo():
            let_go(path)
        path.unlink(missing_ok=True)


def let_go(pipe: Path) -> None:
    """Open the writing end for a moment: a reader that waits sees the end of the file."""
    with contextlib.suppress(OSError):  # nobody waits
        os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
