"""Which map holds for a move: the one that was named, else the one between the two sites, else none."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from fleet.models import Host
from fleet.refusals import Refused
from migrations_app.map_rules import MapRules
from migrations_app.models import TargetMap
from migrations_app.options import NO_MAP, Options


@dataclass(frozen=True, kw_only=True, slots=True)
class Atlas:
    """The maps that a guest on one host may need, whatever the destination."""

    named: MapRules | None = None
    by_target_site: dict[UUID, MapRules] = field(default_factory=dict)

    def to(self, destination: Host) -> MapRules:
        """What holds for a move to this host."""
        if self.named is not None:
            return self.named
        found = self.by_target_site.get(destination.site_id) if destination.site_id else None
        return found or MapRules()


def atlas(source: Host, options: Options) -> Atlas:
    """In one query; raises Refused for a map that does not exist, naming those that do."""
    if options.map == NO_MAP:
        return Atlas(named=MapRules())
    if options.map:
        return Atlas(named=_named(options.map))
    if source.site_id is None:
        return Atlas()
    found = TargetMap.objects.filter(source_site=source.site_id)
    return Atlas(by_target_site={one.target_site_id: one.map_rules for one in found if one.target_site_id})


def _named(name: str) -> MapRules:
    found = {one.name: one for one in TargetMap.objects.all()}
    if name not in found:
        known = ", ".join([*sorted(found), NO_MAP])
        text = f"There is no map '{name}'."
        raise Refused(text, code="no_such_map", field="options/map", remedy=f"Use one of: {known}; or leave it out.")
    return found[name].map_rules
