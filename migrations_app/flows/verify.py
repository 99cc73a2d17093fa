"""Before anything at the source is touched: prove that the guest runs once, and who has its disks open."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from fleet.documents.times import rfc3339
from fleet.hypervisor import connect
from fleet.hypervisor.errors import HypervisorError
from fleet.hypervisor.facts import FileUser, HostAddress
from fleet.hypervisor.interface import AgentWord
from fleet.refusals import Refused
from fleet.states import ACTIVE_GUEST_STATES
from migrations_app.evidence import Evidence, Proof, Question
from migrations_app.flows import bystanders
from migrations_app.flows.bystanders import Bystanders, Neighbour
from migrations_app.flows.errand import Answers, Errand

#: Questions to hosts side by side.
_SIDE_BY_SIDE = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What was proven, and where else the guest was caught running."""

    evidence: tuple[Evidence, ...]
    #: Names of third hosts that run the guest too, each asked just now.
    also_on: tuple[str, ...] = ()


def verify(errand: Errand, answers: Answers) -> Verdict:
    """Ask both ends anew and the others by what the watcher saw; every question is a line, none fails the job.

    Both ends and all that looks suspicious are asked side by side, so that the end of a move waits for one round trip
    or two.
    """
    with ThreadPoolExecutor(max_workers=_SIDE_BY_SIDE, thread_name_prefix="verify") as pool:
        there = pool.submit(_users_there, errand)
        here = pool.submit(_users_here, errand)
        agent = pool.submit(_ask_agent, errand)
        around = bystanders.look(errand)
        caught = [pool.submit(_active, one.address, errand.uuid) for one in around.suspects]
        copies, also_on = _single_copy(errand, answers, around, caught)
        disks = _disks(errand, here, there, [pool.submit(_users_at, one, errand.uuid) for one in around.neighbours])
        return Verdict(evidence=(copies, disks, agent.result()), also_on=also_on)


def line(what: Question, outcome: Proof, how: str, at: datetime | None = None) -> Evidence:
    """A line of evidence, of now unless told otherwise."""
    return Evidence(what=what, how=how, at=rfc3339(at or timezone.now()) or "", outcome=outcome)


def _single_copy(
    errand: Errand, answers: Answers, around: Bystanders, caught: list[Future[bool | None]]
) -> tuple[Evidence, tuple[str, ...]]:
    here, there = errand.migration.source_name, errand.migration.destination_name
    how = f"asked {here}: {answers.source.value}; asked {there}: {answers.destination.value}; {around.words()}"
    words = {one.address.name: asked.result() for one, asked in zip(around.suspects, caught, strict=True)}
    also = tuple(name for name, active in words.items() if active)
    if also:
        return line(Question.SINGLE_COPY, Proof.FAILED, f"{how}; asked {', '.join(also)}: runs there too"), also
    silent = [name for name, active in words.items() if active is None]
    if silent:
        text = f"{how}; {', '.join(silent)} was last said to have it and does not answer"
        return line(Question.SINGLE_COPY, Proof.NOT_AVAILABLE, text), ()
    if words:
        how = f"{how}; asked {', '.join(words)}: not active there any more"
    return line(Question.SINGLE_COPY, Proof.PROVEN, how), ()


def _disks(
    errand: Errand,
    here: Future[tuple[FileUser, ...]],
    there: Future[tuple[FileUser, ...]],
    around: list[Future[tuple[FileUser, ...]]],
) -> Evidence:
    source, destination = errand.migration.source_name, errand.migration.destination_name
    try:
        users = [(source, user) for user in here.result()]
        users += [(destination, user) for user in there.result()]
        users += [("another host", user) for asked in around for user in asked.result()]
    except (HypervisorError, Refused) as error:
        return line(Question.DISKS, Proof.NOT_AVAILABLE, f"not every host told who has them open: {error}")
    if users:
        words = ", ".join(sorted({f"{user.name} on {host} uses {user.path}" for host, user in users}))
        return line(Question.DISKS, Proof.FAILED, f"open elsewhere: {words}")
    others = f"; {len(around)} more hosts that see the folder were asked" if around else ""
    text = f"{source} has no running guest with these files, {destination} has no other one{others}"
    return line(Question.DISKS, Proof.PROVEN, text)


def _users_here(errand: Errand) -> tuple[FileUser, ...]:
    """Running guests at the source with the files that the guest had there."""
    paths = {
        artefact["source"] for artefact in errand.migration.artefacts if artefact["source"]
    } | bystanders.own_files(errand)
    return errand.source.file_users(paths, only_active=True) if paths else ()


def _users_there(errand: Errand) -> tuple[FileUser, ...]:
    """Other running guests at the destination with the files that the guest has now."""
    paths = errand.destination.own_files(errand.uuid)
    users = errand.destination.file_users(paths, only_active=True) if paths else ()
    return tuple(user for user in users if user.uuid != errand.uuid)


def _users_at(neighbour: Neighbour, uuid: str) -> tuple[FileUser, ...]:
    users = connect.get(neighbour.address).file_users(neighbour.paths, only_active=True)
    return tuple(user for user in users if user.uuid != uuid)


def _active(address: HostAddress, uuid: str) -> bool | None:
    """Whether the host runs the guest; None when it cannot be asked."""
    try:
        seen = connect.get(address).glimpse(uuid)
    except (HypervisorError, Refused):
        return None
    return seen is not None and seen.state in ACTIVE_GUEST_STATES


_AGENT_LINES = {
    AgentWord.ANSWERS: (Proof.PROVEN, "the agent in the guest answered"),
    AgentWord.SILENT: (Proof.FAILED, "the agent is connected and did not answer within five seconds"),
    AgentWord.AWAY: (Proof.NOT_AVAILABLE, "the guest has a channel for an agent, and none is running in it"),
    AgentWord.NONE: (Proof.NOT_AVAILABLE, "the guest has no channel for an agent"),
}


def _ask_agent(errand: Errand) -> Evidence:
    try:
        outcome, how = _AGENT_LINES[errand.destination.agent(errand.uuid)]
    except HypervisorError as error:
        outcome, how = Proof.NOT_AVAILABLE, f"the agent could not be asked: {error.text}"
    return line(Question.AGENT, outcome, how)
