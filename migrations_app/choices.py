"""The migrate page's choices in words: modes, storage, a place for each copied disk, and what becomes of media."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from fleet.models import Guest
from migrations_app import modes, promises
from migrations_app.flows import policies as policy_flows
from migrations_app.flows.destinations import Destination
from migrations_app.preflight.media import DRIVES
from migrations_app.preflight.situation import DiskAction, DiskPlan
from migrations_app.preflight.targets import holds_files

STORAGES = {
    "auto": modes.Words(
        "As needed", "Share what both hosts see, copy the rest; of a disk over a shared file only what is its own."
    ),
    "none": modes.Words("Copy nothing", "Every disk must be on storage that both hosts share."),
    "copy": modes.Words("Copy whole disks", "A copy needs no backing file any more; shared disks stay shared."),
    "copy_incremental": modes.Words("Copy over the backing file", "Only what lies over a file that both hosts share."),
}
MEDIA = {
    "": modes.Words("Leave it to me", "The move is refused as long as a medium stays behind."),
    "eject": modes.Words("Eject", "The drive arrives empty; the file stays where it is."),
    "copy": modes.Words("Bring it along", "The file is copied to the destination before the guest moves."),
}
#: Fields of a disk's place: "disk-pool-vda", "disk-path-vda".
_FIELDS = ("pool", "path")


@dataclass(frozen=True, kw_only=True, slots=True)
class DiskChoice:
    """A disk that is copied: where it goes, and where else it could."""

    target: str
    source: str
    size_bytes: int
    path: str
    #: What was wished, "" for nothing.
    pool: str
    name: str
    pools: tuple[str, ...]
    incremental: bool


def modes_offered(state: str) -> dict[str, modes.Words]:
    """The modes that fit the guest's state."""
    return {mode: modes.WORDS[mode] for mode in modes.offered(state)}


def options(chosen: Mapping[str, Any]) -> dict[str, Any]:
    """The page's fields for disks and media as options; nothing for what was left alone."""
    disks: dict[str, dict[str, str]] = {}
    for key in chosen:
        kind, _, target = key.removeprefix("disk-").partition("-")
        word = str(chosen[key]).strip()
        if key.startswith("disk-") and kind in _FIELDS and target and word:
            disks.setdefault(target, {})[kind] = word
    found: dict[str, Any] = {"disks": disks} if disks else {}
    return found | ({"media": chosen["media"]} if chosen.get("media") else {})


def disks(pick: Destination | None, chosen: Mapping[str, Any]) -> list[DiskChoice]:
    """A choice for each disk that would be copied to the picked host."""
    if pick is None:
        return []
    pools = tuple(sorted(pool.name for pool in pick.host.pool_facts() if holds_files(pool)))
    return [_disk(plan, pools, chosen) for plan in (*pick.findings.copies, *pick.findings.brought)]


def _disk(plan: DiskPlan, pools: tuple[str, ...], chosen: Mapping[str, Any]) -> DiskChoice:
    disk = plan.disk
    return DiskChoice(
        target=disk.target,
        source=disk.source,
        size_bytes=disk.allocation_bytes,
        path=plan.path,
        pool=str(chosen.get(f"disk-pool-{disk.target}", "")),
        name=str(chosen.get(f"disk-path-{disk.target}", "")),
        pools=pools,
        incremental=plan.incremental,
    )


def media(found: list[Destination], chosen: str) -> dict[str, Any] | None:
    """The choice for media, if any of them would stay behind; None when there is nothing to choose."""
    left = {
        plan.disk.target: plan.disk
        for one in found
        for plan in one.findings.disks
        if plan.disk.source and (plan.disk.device in DRIVES or plan.disk.readonly)
        if plan.action is not DiskAction.SHARED
    }
    if not left:
        return None
    names = ", ".join(f"{PurePosixPath(disk.source).name} in {target}" for target, disk in sorted(left.items()))
    return {"names": names, "choices": MEDIA, "chosen": chosen if chosen in MEDIA else ""}


def what_happens(pick: Destination | None, chosen: Mapping[str, Any]) -> dict[str, Any]:
    """The outlook's facts that are no numbers: kind of move, and what becomes of the source's files."""
    if pick is None:
        return {}
    return {
        "mode": pick.mode,
        "copies": len(pick.findings.copies),
        "incremental": pick.findings.incremental,
        "starts": pick.mode == modes.COLD and bool(pick.findings.copies),
        "keeps": chosen.get("keep_source", True),
    }


def policies(guest: Guest, wished: str) -> dict[str, Any]:
    """The policies to choose from, the one that holds now with its reason, and what it promises."""
    if guest.host is None:
        return {}
    found, own = policy_flows.offered(guest, guest.host)
    now = next((one for one in found if one.policy == wished), own.terms)
    return {
        "names": [one.policy for one in found],
        "own": own.terms.policy,
        "because": own.because,
        "wished": wished,
        "promise": promises.sentence(now),
    }
