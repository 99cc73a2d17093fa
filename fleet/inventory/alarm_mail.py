"""The alarm by mail, where addresses are set: sent from a thread of its own, because mail servers may hang."""

from __future__ import annotations

import logging
import smtplib
import threading
from collections.abc import Sequence
from functools import partial

from django.conf import settings
from django.core.mail import send_mail
from django.db import transaction

logger = logging.getLogger(__name__)


def send_after_commit(guest: str, hosts: Sequence[str]) -> None:
    """Mail everybody in DROVER_ALARM_EMAIL; nothing of it may hold up or fail the alarm itself."""
    if settings.ALARM_EMAIL:
        transaction.on_commit(partial(_start, guest, tuple(hosts)))


def _start(guest: str, hosts: tuple[str, ...]) -> None:
    threading.Thread(target=_send, args=(guest, hosts), name="alarm-mail", daemon=True).start()


def _send(guest: str, hosts: tuple[str, ...]) -> None:
    subject = f"Drover: {guest} RUNS TWICE, on {' and '.join(hosts)}"
    body = (
        f"{guest} runs on {' and '.join(hosts)} at the same time; both hosts were asked just now.\n\n"
        "Two running copies may be writing to the same disk. Find out which one is right and stop the other.\n"
        "Drover touches neither, and moves this guest nowhere until one is left.\n"
    )
    try:
        send_mail(subject, body, None, settings.ALARM_EMAIL)
    except (OSError, smtplib.SMTPException) as error:
        logger.error("the alarm about %s could not be mailed: %s", guest, error)
