"""Pure: a start that libvirt refused for something that can be done without, and the order without it.

Nothing can be asked beforehand: whether a host's QEMU has certificates, or userfaultfd, shows when it is to use them,
in libvirt's Prepare phase, before a byte has moved.
"""

from __future__ import annotations

import dataclasses
import re

from fleet.hypervisor.errors import HypervisorError
from fleet.hypervisor.interface import MigrationOrder
from migrations_app.terms import Encryption

_TLS = re.compile(r"tls|x509|certificate|credentials|gnutls", re.IGNORECASE)
_POST_COPY = re.compile(r"post-?copy|userfault", re.IGNORECASE)


def weaker(order: MigrationOrder, error: HypervisorError, encryption: Encryption) -> tuple[MigrationOrder, str] | None:
    """The order to try next and what to tell; None where the error is about something else or the wish is firm."""
    if order.tls and encryption is Encryption.OPPORTUNISTIC and _TLS.search(error.text):
        text = f"The guest's data travels UNENCRYPTED: the hosts cannot encrypt it ({error.text})."
        return dataclasses.replace(order, tls=False), text
    if order.post_copy and _POST_COPY.search(error.text):
        text = f"Begun without post-copy in reserve: one of the hosts cannot ({error.text})."
        return dataclasses.replace(order, post_copy=False), text
    return None
