"""Environment variables that could redirect libvirt or ssh never reach them."""

from __future__ import annotations

import os

#: LIBVIRT_DEFAULT_URI alone can run a command; the others change trust, drivers or prompts.
_REDIRECTING = ("LIBVIRT_", "VIRSH_", "VIR_", "SSH_", "GNUTLS_")


def forget_redirections() -> None:
    """Remove such variables from this process; to be called before libvirt is loaded, which reads some at once."""
    for name in [name for name in os.environ if name.startswith(_REDIRECTING)]:
        del os.environ[name]
    # Errors only (4) on stderr: warnings come with every refused connection, which is told in an exception anyway.
    os.environ["LIBVIRT_DEBUG"] = "4"


def clean_environment() -> dict[str, str]:
    """What a child process gets: a path to its programs, plain messages, and no more."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "VIRTUAL_ENV") if name in os.environ}
    return {"PATH": os.defpath, **kept, "LC_ALL": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"}
