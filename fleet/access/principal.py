"""Who asks: a person, a token or Drover itself, with the roles held and the door used."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar
from uuid import UUID

from django.contrib.auth.models import User
from django.db.models import Model, Q, QuerySet

from fleet.access.verbs import doing, greater, least_role, lesser
from fleet.models import Grant
from fleet.refusals import Forbidden
from fleet.states import Role

Row = TypeVar("Row", bound=Model)


@dataclass(frozen=True, kw_only=True, slots=True)
class Principal:
    """Whoever asks for something. `user` is None for Drover itself and for somebody who is not signed in."""

    user: User | None
    #: The role held at every site, and for what belongs to no site.
    everywhere: Role | None = None
    #: Roles held at single sites, by the site's id.
    at_sites: Mapping[UUID, Role] = field(default_factory=dict)
    #: "page", "socket", "api:<token key>", "command", "worker".
    door: str
    address: str | None = None
    request_id: str = ""
    token_id: UUID | None = None

    @classmethod
    def of_user(cls, user: User, *, door: str, address: str | None = None, request_id: str = "") -> Principal:
        """A person with the roles granted to them, in one query (none for a superuser)."""
        grants = [] if user.is_superuser else list(Grant.objects.filter(user=user).values_list("role", "site_id"))
        return cls.of_grants(user, grants, door=door, address=address, request_id=request_id)

    @classmethod
    def of_grants(
        cls,
        user: User,
        grants: Iterable[tuple[str, UUID | None]],
        *,
        door: str,
        address: str | None = None,
        request_id: str = "",
    ) -> Principal:
        """A person with these grants (role, site or None for everywhere); an inactive person holds none."""
        everywhere: Role | None = Role.ADMIN if user.is_superuser else None
        at_sites: dict[UUID, Role] = {}
        for name, site_id in grants:
            role = Role(name)
            if site_id is None:
                everywhere = greater(everywhere, role)
            else:
                at_sites[site_id] = greater(at_sites.get(site_id), role) or role
        if not user.is_active:
            everywhere, at_sites = None, {}
        return cls(
            user=user, everywhere=everywhere, at_sites=at_sites, door=door, address=address, request_id=request_id
        )

    @classmethod
    def system(cls, door: str = "worker") -> Principal:
        """Drover itself, which may do everything."""
        return cls(user=None, everywhere=Role.ADMIN, door=door)

    def capped(self, *, role: Role, site_id: UUID | None, door: str, token_id: UUID) -> Principal:
        """What a token of this person may: never more than `role`, and only at `site_id` unless that is None."""
        if site_id is not None:
            held = self.role_at(site_id)
            at_sites = {} if held is None else {site_id: lesser(held, role)}
            return replace(self, everywhere=None, at_sites=at_sites, door=door, token_id=token_id)
        return replace(
            self,
            everywhere=None if self.everywhere is None else lesser(self.everywhere, role),
            at_sites={site: lesser(held, role) for site, held in self.at_sites.items()},
            door=door,
            token_id=token_id,
        )

    @property
    def name(self) -> str:
        """The user name, or "Drover"."""
        return self.user.get_username() if self.user else "Drover"

    def role_at(self, site_id: UUID | None) -> Role | None:
        """The role at a site; for None the role for what belongs to no site."""
        return self.everywhere if site_id is None else greater(self.everywhere, self.at_sites.get(site_id))

    @property
    def best_role(self) -> Role | None:
        """The greatest role held anywhere."""
        best = self.everywhere
        for role in self.at_sites.values():
            best = greater(best, role)
        return best

    def allows(self, verb: str, site_id: UUID | None = None) -> bool:
        """Whether `verb` may be done to something at this site (None: to something that belongs to no site)."""
        return _enough(self.role_at(site_id), verb)

    def allows_somewhere(self, verb: str) -> bool:
        """Whether `verb` may be done at one site at least: for showing a button before the site is known."""
        return _enough(self.best_role, verb)

    def require(self, verb: str, site_id: UUID | None = None, what: str = "") -> None:
        """Raises Forbidden, naming the role that is needed, unless `verb` is allowed; `what` names the thing."""
        if self.allows(verb, site_id):
            return
        needed, held = least_role(verb), self.role_at(site_id)
        subject = f"{doing(verb)} ({what})" if what else doing(verb)
        place = "" if site_id else " everywhere" if self.at_sites else ""
        has = f"has the role {held.value}" if held else "has no role there"
        raise Forbidden(
            f"{subject} needs the role {needed.value}{place}; {self.name} {has}.",
            code="forbidden",
            remedy=f"Ask an admin for the role {needed.value}, or use a token that carries it.",
            data={"role_needed": needed.value, "role_held": held.value if held else None},
        )

    def restrict(self, queryset: QuerySet[Row], *site_paths: str) -> QuerySet[Row]:
        """Only rows this principal may see; `site_paths` lead from a row to its site ("host__site", "pk" for sites).

        A row that belongs to no site is seen only by who holds a role everywhere.
        """
        if self.everywhere is not None:
            return queryset
        if not self.at_sites:
            return queryset.none()
        wanted = Q()
        for path in site_paths:
            wanted |= Q(**{f"{path}__in": list(self.at_sites)})
        return queryset.filter(wanted)

    def sees_site(self, site_id: UUID | None) -> bool:
        """Whether things at this site are visible (the row-by-row twin of `restrict`)."""
        return self.allows("fleet.view", site_id)


def _enough(held: Role | None, verb: str) -> bool:
    return held is not None and held.rank >= least_role(verb).rank


def principal_of(request: Any) -> Principal:
    """The principal of a request that a permission has let through already."""
    principal: Principal | None = request.principal
    if principal is None:
        raise Forbidden("Sign in first.", code="not_signed_in")
    return principal
