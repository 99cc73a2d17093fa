"""Pure: what operators may ask of a running migration now, and for the rest the reason why not."""

from __future__ import annotations

from migrations_app import bearings
from migrations_app.bearings import Abilities, Standing

#: In the order of the buttons.
ACTIONS = ("bandwidth", "downtime", "pause", "post-copy", "cancel")


def actions(
    standing: Standing, abilities: Abilities, *, live: bool, begun: bool, copies_disks: bool, in_first_pass: bool
) -> tuple[list[str], dict[str, str]]:
    """Those that work now, and {action: why not} for the others; `begun`: bytes are on their way.

    Before that QEMU knows nothing of the migration yet: it refuses to switch, and forgets limits at the start.
    """
    early = "" if begun else "the copy has not begun yet"
    why_not = {
        "bandwidth": early or _settled(standing, but=bearings.PAUSED),
        "downtime": early or _settled(standing) or ("the guest does not run while it moves" if not live else ""),
        "pause": early or _settled(standing) or _pause(live, copies_disks, in_first_pass),
        "post-copy": early or _settled(standing) or _post_copy(abilities, live, copies_disks),
        "cancel": _cancel(standing),
    }
    return [action for action in ACTIONS if not why_not[action]], {
        action: reason for action, reason in why_not.items() if reason
    }


def _settled(standing: Standing, *, but: str = "-") -> str:
    return standing.settled if standing.settled != but else ""


def _cancel(standing: Standing) -> str:
    if standing.settled != bearings.IN_POST_COPY:
        return ""
    return "the guest runs at the destination already and needs the rest of its memory; there is no way back"


def _pause(live: bool, copies_disks: bool, in_first_pass: bool) -> str:
    if not live:
        return "the guest does not run while it moves"
    if copies_disks:
        return "disks are still being copied; a guest paused now would stand still for all of that"
    return "the first pass over memory is not done; a guest paused now would stand still for all of it" * in_first_pass


def _post_copy(abilities: Abilities, live: bool, copies_disks: bool) -> str:
    if not live:
        return "the guest does not run while it moves"
    if not abilities.post_copy:
        return "it was not begun with post-copy in reserve: one of the hosts cannot, or parallel connections are used"
    return "disks are still being copied" if copies_disks else ""
