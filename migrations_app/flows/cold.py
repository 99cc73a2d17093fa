"""A guest that is shut off, with its disks, from host to host: started paused, so that libvirt copies them.

The paused guest executes nothing. That it was started by this job is written down before, so that whoever settles the
job (this worker or its successor) switches exactly that copy off again, and no other.
"""

from __future__ import annotations

from collections.abc import Callable

from fleet.hypervisor.errors import HypervisorError
from fleet.hypervisor.facts import JobSample
from fleet.hypervisor.interface import Hypervisor, MigrationOrder
from fleet.jobs.progress import LeaseLost
from fleet.models import JobEvent
from migrations_app.flows import settle as settling
from migrations_app.flows import transfer
from migrations_app.flows.errand import Answers, Errand
from migrations_app.flows.transfer import Course
from migrations_app.models import Migration
from migrations_app.outcome import Side

#: What `Migration.relay` keeps for a guest that was started paused.
MARK = "started_paused"
_GONE = frozenset({Side.ABSENT, Side.OFF})


def carry(errand: Errand, write_order: Callable[[], MigrationOrder]) -> Course:
    """Start the guest paused and move it; `write_order` is called then, for it describes the started guest."""
    _write_down(errand)
    try:
        errand.source.start_paused(errand.uuid)
        order = write_order()
    except HypervisorError as error:
        return Course(error=error)
    return transfer.carry(errand, order)


def settle(errand: Errand, course: Course) -> None:
    """Switch the paused copy off where it is now, see that one definition is left, and end as both hosts tell it."""
    answers = errand.ask_until_settled(patience_s=settling.PATIENCE_S)
    calm = True
    if errand.migration.relay.get(MARK):
        course.last = _numbers(errand, answers) or course.last
        calm = _switch_off(errand, answers)
    if calm and _one_definition(errand):
        settling.settle(errand, course)
    else:
        settling.unknown(errand, errand.ask())


def _write_down(errand: Errand) -> None:
    errand.migration.relay = {**errand.migration.relay, MARK: True}
    with errand.pen.together():
        Migration.objects.filter(pk=errand.migration.pk).update(relay=errand.migration.relay)
    errand.pen.say(
        "cold.starting", f"Starting {errand.name} paused, so that its disks can be copied; it executes nothing"
    )


def _numbers(errand: Errand, answers: Answers) -> JobSample | None:
    """libvirt keeps the numbers of a migration only while the guest is on."""
    if answers.destination is not Side.PAUSED:
        return None
    try:
        return errand.destination.completed_job(errand.uuid)
    except HypervisorError:
        return None


def _switch_off(errand: Errand, answers: Answers) -> bool:
    """Only a paused copy, and only while the other side has none: False when that cannot be told or done."""
    if answers.source is Side.PAUSED and answers.destination in _GONE:
        return _destroy(errand, errand.source, errand.migration.source_name)
    if answers.destination is Side.PAUSED and answers.source in _GONE:
        return _destroy(errand, errand.destination, errand.migration.destination_name)
    if Side.RUNNING in {answers.source, answers.destination}:
        text = f"Somebody let {errand.name} run while it moved; it is left running"
        errand.pen.say("cold.runs", text, level=JobEvent.Level.WARNING)
    return True


def _one_definition(errand: Errand) -> bool:
    """The source's definition leaves last: while it is there the other one, which this job brought, goes.

    That the destination had none before was checked, and nobody ran either, so both disks are the same.
    """
    answers = errand.ask()
    if answers.source is not Side.OFF or answers.destination is not Side.OFF:
        return True
    there = errand.migration.destination_name
    errand.pen.say("cold.second", f"Removing the definition of {errand.name} from {there}; the source kept its own")
    try:
        errand.destination.undefine(errand.uuid)
    except HypervisorError as error:
        text = f"{errand.name} is defined on both hosts: {there} did not remove it: {error.text}"
        errand.pen.say("cold.stays", text, level=JobEvent.Level.WARNING)
        return False
    return True


def _destroy(errand: Errand, host: Hypervisor, name: str) -> bool:
    if errand.lease.lost.is_set():
        raise LeaseLost(f"job {errand.migration.pk}: the lease could not be kept")
    # It proves the lease in the database as well.
    errand.pen.say("cold.off", f"Switching {errand.name} off on {name}; it was never let run")
    try:
        host.destroy(errand.uuid)
    except HypervisorError as error:
        text = f"{errand.name} could not be switched off on {name}: {error.text}"
        errand.pen.say("cold.stays", text, level=JobEvent.Level.WARNING)
        return False
    return True
