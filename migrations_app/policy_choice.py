"""Pure: which policy holds for a guest: the one asked for, else its own, its tag's, its site's, the default one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fleet.refusals import Refused
from migrations_app.terms import Terms


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """A policy as the choice sees it."""

    terms: Terms
    tags: frozenset[str] = frozenset()
    #: Slugs of sites.
    sites: frozenset[str] = frozenset()
    is_default: bool = False

    @property
    def name(self) -> str:
        """What it is called."""
        return self.terms.policy


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """The terms, and why it is these."""

    terms: Terms
    because: str


def choose(
    policies: Iterable[Candidate], *, asked: str = "", own: str = "", tags: Sequence[str] = (), site: str = ""
) -> Choice:
    """The policy for a guest; among equals the first by name. Raises Refused when the one asked for does not exist.

    A guest's own policy that is gone counts as none: its owner must not find it unmovable for that.
    """
    found = sorted(policies, key=lambda policy: policy.name)
    by_name = {policy.name: policy for policy in found}
    if asked:
        if asked not in by_name:
            known = ", ".join(by_name) or "none yet"
            text = f"There is no migration policy '{asked}'."
            raise Refused(text, code="unknown_policy", field="options/policy", remedy=f"There are: {known}.")
        return Choice(terms=by_name[asked].terms, because="asked for with this move")
    if own in by_name:
        return Choice(terms=by_name[own].terms, because="the guest's own")
    for policy in found:
        if shared := sorted(policy.tags & set(tags)):
            return Choice(terms=policy.terms, because=f"for guests tagged {shared[0]}")
    for policy in found:
        if site and site in policy.sites:
            return Choice(terms=policy.terms, because=f"for guests at {site}")
    default = next((policy for policy in found if policy.is_default), None)
    if default is not None:
        return Choice(terms=default.terms, because="the default")
    return Choice(terms=Terms(), because="Drover's own, no policy is the default")
