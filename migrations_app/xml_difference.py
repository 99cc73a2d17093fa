"""Pure: a guest's definition as it will be at the destination, and line by line what becomes different.

The pages, a dry run and the worker all ask here, so that what is shown is what is done.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lxml import etree

from fleet.hypervisor import destination_xml
from fleet.hypervisor.domain_xml import parse
from migrations_app.map_rules import Wire
from migrations_app.preflight.situation import DiskAction, DiskPlan, Findings, Rewrites

#: Unchanged lines shown around a change.
_AROUND = 3
#: What VIR_DOMAIN_XML_SECURE adds to a definition.
_SECRETS = frozenset({"passwd", "passwdValidTo", "password"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Changes:
    """Everything that a guest's definition says otherwise at the destination."""

    #: Disk target -> the file's path there.
    disks: Mapping[str, str] = field(default_factory=dict)
    #: Drives that arrive empty, by target.
    emptied: tuple[str, ...] = ()
    others: Rewrites = field(default_factory=Rewrites)

    def __bool__(self) -> bool:
        return self != Changes()

    def applied_to(self, xml: str) -> str:
        """The definition for the destination."""
        return destination_xml.rewrite(
            xml,
            disk_sources=self.disks,
            emptied=self.emptied,
            cards={mac: (wire.kind, wire.name) for mac, wire in self.others.cards.items()},
            files=self.others.files,
            networks=self.others.console_networks,
            listen=self.others.listen,
        )

    def document(self) -> dict[str, Any]:
        """For a worker that goes on with the move later."""
        return dataclasses.asdict(self)


def load(document: Mapping[str, Any]) -> Changes:
    """The changes that `document` stored."""
    others = dict(document.get("others", {}))
    cards = {mac: Wire(**wire) for mac, wire in others.pop("cards", {}).items()}
    return Changes(
        disks=document.get("disks", {}),
        emptied=tuple(document.get("emptied", ())),
        others=Rewrites(cards=cards, **others),
    )


def changes(findings: Findings, made: Mapping[str, str] | None = None) -> Changes:
    """What follows from the checks; `made` are the paths of copies that were made, stronger than those planned."""
    paths = {plan.disk.target: (made or {}).get(plan.disk.target, plan.path) for plan in findings.disks}
    moved = {plan.disk.target: paths[plan.disk.target] for plan in findings.disks if _moved(plan, paths)}
    return Changes(disks=moved, emptied=findings.ejected, others=findings.rewrites)


def _moved(plan: DiskPlan, paths: Mapping[str, str]) -> bool:
    """Also a disk that leaves its backing file: a chain that the definition spells out would be followed there."""
    path, copied = paths[plan.disk.target], plan.action in {DiskAction.COPY, DiskAction.BRING}
    return bool(path) and (path != plan.disk.source or (copied and bool(plan.disk.backing)))


def planned(xml: str, findings: Findings) -> list[str]:
    """What will be different in the definition as it is stored."""
    wanted = changes(findings)
    return difference(xml, wanted.applied_to(xml)) if xml and wanted else []


def difference(before: str, after: str) -> list[str]:
    """The lines of a unified diff without its file names; none when the two say the same."""
    lines = difflib.unified_diff(_lines(before), _lines(after), n=_AROUND, lineterm="")
    return list(lines)[2:]


def _lines(xml: str) -> list[str]:
    """One element a line, each attribute in libvirt's order: layout is no difference.

    Important: without secrets. What libvirt gives the worker to send along has the console's password in it.
    """
    root = parse(xml)
    for element in root.iter():
        for secret in _SECRETS & set(element.attrib):
            del element.attrib[secret]
        if len(element) and not (element.text or "").strip():
            element.text = None
        if not (element.tail or "").strip():
            element.tail = None
    etree.indent(root, space="  ")
    return etree.tostring(root, encoding="unicode").splitlines()
