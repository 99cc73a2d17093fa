"""libvirt's event loop in a thread of its own, started before the first connection: keepalive and events need it."""

from __future__ import annotations

import threading

import libvirt

_lock = threading.Lock()
_started = False


def ensure_started() -> None:
    """Once per process. A forked child cannot use libvirt again; Drover's processes thread, they do not fork."""
    global _started  # noqa: PLW0603 - libvirt has one loop per process
    with _lock:
        if _started:
            return
        # libvirt prints every error to stderr by default; ours are raised.
        libvirt.registerErrorHandler(lambda _context, _error: None, None)
        libvirt.virEventRegisterDefaultImpl()
        threading.Thread(target=_run, name="libvirt-events", daemon=True).start()
        _started = True


def _run() -> None:
    while True:
        libvirt.virEventRunDefaultImpl()
