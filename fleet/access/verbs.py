"""Pure: what can be wished for, in the operator's words, and the least role that may."""

from __future__ import annotations

from dataclasses import dataclass

from fleet.states import Role


@dataclass(frozen=True, slots=True)
class Verb:
    """A thing to do: the least role for it, and how a sentence names it ("Adding a host needs ...")."""

    role: Role
    doing: str


VERBS: dict[str, Verb] = {
    "fleet.view": Verb(Role.VIEWER, "Seeing the fleet"),
    "migration.submit": Verb(Role.OPERATOR, "Moving a guest"),
    "job.cancel": Verb(Role.OPERATOR, "Cancelling a job"),
    "quarantine.restore": Verb(Role.OPERATOR, "Taking a disk out of quarantine"),
    "quarantine.delete": Verb(Role.OPERATOR, "Deleting a quarantined disk"),
    "job.retry": Verb(Role.OPERATOR, "Trying a job again"),
    "job.bandwidth": Verb(Role.OPERATOR, "Changing how fast a job copies"),
    "job.downtime": Verb(Role.OPERATOR, "Changing how long a job may pause its guest"),
    "job.post-copy": Verb(Role.OPERATOR, "Switching a job to post-copy"),
    "job.pause": Verb(Role.OPERATOR, "Pausing a guest to finish its move"),
    "policy.change": Verb(Role.ADMIN, "Changing migration policies"),
    "guest.change": Verb(Role.OPERATOR, "Changing a guest"),
    "host.refresh": Verb(Role.OPERATOR, "Refreshing a host"),
    "host.maintenance": Verb(Role.OPERATOR, "Changing a host's maintenance"),
    "host.add": Verb(Role.ADMIN, "Adding a host"),
    "host.change": Verb(Role.ADMIN, "Changing a host"),
    "host.remove": Verb(Role.ADMIN, "Removing a host"),
    "site.change": Verb(Role.ADMIN, "Changing sites and their links"),
    "map.change": Verb(Role.ADMIN, "Changing maps"),
    "token.manage": Verb(Role.ADMIN, "Managing other people's tokens"),
    "audit.view": Verb(Role.ADMIN, "Reading the audit log"),
}


def least_role(verb: str) -> Role:
    """The least role that may `verb`; KeyError for a verb that is not in the table."""
    return VERBS[verb].role


def doing(verb: str) -> str:
    """How a sentence names the verb."""
    return VERBS[verb].doing


def lesser(one: Role, other: Role) -> Role:
    """The one of two roles that may do less (roles are words: never compare them with < )."""
    return min(one, other, key=lambda role: role.rank)


def greater(one: Role | None, other: Role | None) -> Role | None:
    """The one of two roles that may do more; None is no role at all."""
    return max(one, other, key=lambda role: -1 if role is None else role.rank)
