"""Pure: do the two hosts' libvirt and QEMU fit together?"""

from __future__ import annotations

import re
from collections.abc import Iterator

from migrations_app import modes
from migrations_app.preflight.situation import Check, Situation, block, warn

#: VIR_MIGRATE_PARALLEL came with 5.2.0, VIR_MIGRATE_TLS with 3.2.0 (libvirt-domain.h).
NEEDED = {"parallel": (5, 2, 0), "tls": (3, 2, 0)}


def number(version: str) -> tuple[int, ...]:
    """A version as numbers for comparing; () when there are none."""
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def check(situation: Situation) -> Iterator[Check]:
    """Findings about versions."""
    source, destination, options = situation.source, situation.destination, situation.options
    here, there = number(source.facts.hypervisor_version), number(destination.facts.hypervisor_version)
    if there and there < here:
        yield warn(
            "older_qemu",
            destination.name,
            f"{destination.name} runs QEMU {destination.facts.hypervisor_version}, older than "
            f"{source.facts.hypervisor_version} on {source.name}; going to an older one is not always possible.",
        )
    yield from _needs_a_running_guest(situation)
    wishes = {"parallel": options.parallel > 1, "tls": bool(options.tls)}
    for wish, wanted in wishes.items():
        for host in (source, destination):
            if wanted and number(host.facts.libvirt_version) < NEEDED[wish]:
                needed = ".".join(map(str, NEEDED[wish]))
                yield block(
                    "libvirt_too_old",
                    host.name,
                    f"{wish} needs libvirt {needed}, {host.name} has {host.facts.libvirt_version or 'an unknown one'}.",
                    f"Leave {wish} out, or update the host.",
                )


def _needs_a_running_guest(situation: Situation) -> Iterator[Check]:
    """Means against a guest that writes on are refused by libvirt, or do nothing, where it stands still."""
    options = situation.options
    wishes = {"post_copy": options.post_copy, "auto_converge": options.auto_converge}
    for wish in [wish for wish, wanted in wishes.items() if wanted and situation.mode != modes.LIVE]:
        text = f"{wish} is for a guest that runs while it moves; it stands still in a {situation.mode} move."
        yield block("needs_live", situation.guest.name, text, f"Leave {wish} out, or move it live.")
