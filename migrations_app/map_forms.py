"""A map as a person writes it: its name and sites, and its rules as rows of two fields each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django import forms
from django.http import QueryDict

from fleet.models import Site
from fleet.refusals import Refused
from fleet.views.forms import LookMixin
from migrations_app.models import TargetMap

#: Part of the rules -> what a person reads above its rows, and a hint at how a row is written.
PARTS = {
    "networks": ("Networks and bridges", "network:NAME for a libvirt network, bridge:NAME for a bridge of the host."),
    "pools": ("Pools", "A disk in the left pool is copied into the right one."),
    "paths": ("Folders", "For disks, kernels and firmware below a folder. Pools' rules are looked at first."),
}
#: Empty rows that wait to be filled.
_SPARE = 2


@dataclass(frozen=True, slots=True)
class Row:
    """One rule as it was typed, with what is wrong about it."""

    old: str = ""
    new: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """The rows of one part of the rules."""

    part: str
    title: str
    hint: str
    rows: list[Row]


class MapForm(LookMixin, forms.Form):
    """All of a map but its rules."""

    name = forms.CharField(max_length=60, help_text="What operators choose, for example north to south.")
    description = forms.CharField(max_length=200, required=False)
    source_site = forms.ModelChoiceField(
        Site.objects.none(),
        required=False,
        empty_label="no site",
        label="From site",
        help_text="With both sites it holds by itself.",
    )
    target_site = forms.ModelChoiceField(
        Site.objects.none(),
        required=False,
        empty_label="no site",
        label="To site",
        help_text="Without: only for moves that name it.",
    )
    graphics_listen = forms.CharField(
        max_length=253,
        required=False,
        label="Consoles listen on",
        help_text="For guests whose console listens on an address of the source. Empty: the destination's own address.",
    )

    def __init__(self, data: QueryDict | None = None, *, sites: Any, row: TargetMap | None = None) -> None:
        initial: dict[str, Any] = {}
        if row is not None:
            initial = {name: getattr(row, name) for name in ("name", "description", "source_site", "target_site")}
            initial["graphics_listen"] = row.rules.get("graphics_listen", "")
        super().__init__(data, initial=initial)
        self.posted = data
        self.rules: Mapping[str, Any] = row.rules if row else {}
        self.wrong: dict[tuple[str, int], str] = {}
        for end in ("source_site", "target_site"):
            self.fields[end].queryset = sites  # type: ignore[attr-defined]

    def wish(self) -> dict[str, Any]:
        """What the flows take; rows without a word in them are no rules."""
        fields = dict(self.cleaned_data)
        rules: dict[str, Any] = {"graphics_listen": fields.pop("graphics_listen")}
        for part in PARTS:
            rules[part] = [{"from": old, "to": new} for old, new in self._typed(part) if old or new]
        return fields | {"rules": rules}

    def refuse(self, refusal: Refused) -> None:
        """At the rule that is wrong, else at the field or above the form."""
        place = refusal.field.split("/")
        if len(place) > 2 and place[0] == "rules" and place[1] in PARTS:
            self.wrong[place[1], int(place[2])] = f"{refusal.text} {refusal.remedy}".strip()
            self.add_error(None, f"{PARTS[place[1]][0]}, rule {int(place[2]) + 1}: {refusal.text}")
        else:
            super().refuse(refusal)

    def sections(self) -> list[Section]:
        """All rules as rows, and some empty ones below."""
        return [Section(part, title, hint, self._rows(part)) for part, (title, hint) in PARTS.items()]

    def _rows(self, part: str) -> list[Row]:
        typed = [pair for pair in self._typed(part) if any(pair)]
        rows = [Row(old, new, self.wrong.get((part, index), "")) for index, (old, new) in enumerate(typed)]
        return rows + [Row()] * _SPARE

    def _typed(self, part: str) -> list[tuple[str, str]]:
        if self.posted is None:
            return [(rule["from"], rule["to"]) for rule in self.rules.get(part, [])]
        olds, news = (self.posted.getlist(f"{part}_{end}") for end in ("from", "to"))
        return [(old.strip(), new.strip()) for old, new in zip(olds, news, strict=False)]
