"""After the hand-over is settled: what stays, what is removed. The source's disks are the last thing touched."""

from __future__ import annotations

from fleet.hypervisor.errors import HypervisorError
from fleet.models import JobEvent
from fleet.states import ACTIVE_GUEST_STATES
from migrations_app.flows import prepare
from migrations_app.flows.errand import Errand
from migrations_app.outcome import Side, side


def old_definition(errand: Errand) -> None:
    """The source forgets a guest that runs elsewhere, when its libvirtd died before it did so by itself.

    Left there, somebody could start it beside the running copy.
    """
    if not errand.options.undefine_source or errand.cold:
        return
    try:
        there, here = errand.destination.glimpse(errand.uuid), errand.source.glimpse(errand.uuid)
        gone_on = there is not None and there.persistent and there.state in ACTIVE_GUEST_STATES
        if here is None or here.state in ACTIVE_GUEST_STATES or not gone_on:
            return
        errand.pen.prove()
        errand.source.undefine(errand.uuid)
    except HypervisorError as error:
        here_name = errand.migration.source_name
        text = f"{errand.name} is still defined on {here_name}, do not start it there: {error.text}"
        errand.pen.say("definition.left", text, level=JobEvent.Level.WARNING)
    else:
        errand.pen.say("definition.removed", f"{errand.migration.source_name} forgets {errand.name} now")


def stale_copy(errand: Errand) -> bool:
    """Switch off what a hand-over cut in its last moment leaves at the source; True when that was done.

    It is paused by the migration, libvirt has ended its job there, and the guest runs at the destination with all its
    memory (post-copy has another reason): nobody can need that copy, and somebody could let it run. Its disks stay.
    """
    try:
        there, here = errand.destination.glimpse(errand.uuid), errand.source.glimpse(errand.uuid)
        runs_there = there is not None and side(there) is Side.RUNNING
        waits_here = here is not None and side(here) is Side.IN_TRANSIT
        if not runs_there or not waits_here or errand.source.job(errand.uuid) is not None:
            return False
        errand.pen.prove()
        text = f"It runs on {errand.migration.destination_name}; the paused copy that is left on "
        text += f"{errand.migration.source_name} is switched off"
        errand.pen.say("source.switched_off", text, level=JobEvent.Level.WARNING)
        errand.source.destroy(errand.uuid)
    except HypervisorError as error:
        errand.pen.say("source.stays", f"The paused copy stays: {error.text}", level=JobEvent.Level.WARNING)
        return False
    return True


def after_arrival(errand: Errand, *, may_remove: bool) -> list[str]:
    """The source's copied disks: left in place, or removed when that was asked for; returns the paths left behind.

    Without the proof that nobody has them open (`may_remove`) they stay, whatever was asked for.
    """
    # As written down before the move: the guest's row may tell of its new place already.
    # Media that were brought name none: other guests may have them in their drives.
    sources = [artefact["source"] for artefact in errand.migration.artefacts if artefact["source"]]
    if errand.options.keep_source or not errand.options.undefine_source or not may_remove:
        return sources
    return [path for path in sources if not _remove(errand, path)]


def _remove(errand: Errand, path: str) -> bool:
    try:
        if errand.source.file_users([path], volumes=True):
            return False
        errand.pen.prove()
        errand.source.delete_volume(path)
    except HypervisorError as error:
        errand.pen.say("source.left", f"{path} stays at the source: {error.text}", level=JobEvent.Level.WARNING)
        return False
    return True


def after_staying(errand: Errand) -> list[str]:
    """What this job made at the destination goes; returns what could not be removed."""
    if not errand.migration.artefacts:
        return []
    try:
        return prepare.remove_volumes(errand)
    except HypervisorError as error:
        text = f"Volumes stay on {errand.migration.destination_name}: {error.text}"
        errand.pen.say("artefacts.left", text, level=JobEvent.Level.WARNING)
        return [artefact["path"] for artefact in errand.migration.artefacts]


def words(left_behind: list[str]) -> str:
    """What the clean-up step says."""
    return f"Left at the source: {', '.join(left_behind)}" if left_behind else "Nothing was left behind."
