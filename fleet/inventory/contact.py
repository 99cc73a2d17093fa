"""Pure: when a host counts as unreachable, and when it is asked again. Times are monotonic seconds."""

from __future__ import annotations

from dataclasses import dataclass, replace

#: Seconds of trouble before a host is called unreachable: a libvirtd that restarts is back within 3 s. With one call's
#: deadline (8 s) before it, a hung host shows within 10 s and a dead one, which refuses at once, within 6 s.
GRACE_S = 4.0
#: Seconds between tries while it is not decided yet.
HURRY_S = 0.5
#: Seconds until the first try after a host was called unreachable; doubled with each failure up to the longest, which
#: is how long a host that came back may still show as unreachable.
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 15.0
#: Part of a pause by which it is moved at random, so that a rack that comes back is not asked in one moment.
JITTER = 0.25


@dataclass(frozen=True, slots=True)
class Contact:
    """How the conversation with one host goes."""

    up: bool
    #: When the first of the calls that failed in a row began; None while it answers.
    trouble_since: float | None = None
    failures: int = 0
    #: Why it is in trouble, in words.
    text: str = ""


def answered(contact: Contact) -> Contact:
    """A call came back."""
    return contact if contact.up and contact.trouble_since is None else Contact(up=True)


def failed(contact: Contact, *, began: float, now: float, text: str) -> Contact:
    """A call that began at `began` did not come back, or came back with an error of the host's."""
    since = began if contact.trouble_since is None else contact.trouble_since
    up = contact.up and now - since < GRACE_S
    failures = 0 if up else contact.failures + 1
    return replace(contact, up=up, trouble_since=since, failures=failures, text=text)


def pause_s(contact: Contact, *, chance: float) -> float:
    """Seconds until the next try; `chance` is a random number from 0 to 1."""
    if contact.up:
        return HURRY_S
    pause = min(FIRST_PAUSE_S * 2.0 ** min(max(contact.failures - 1, 0), 16), LONGEST_PAUSE_S)
    return pause * (1 + JITTER * (2 * chance - 1))
