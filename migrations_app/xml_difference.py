"""Pure: a guest's definition as it will be at the destination, and line by line what becomes different.

The pages, a dry run and the worker all ask here, so that what is shown is what is done.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from lxml import etree

from fleet.hypervisor import destination_xml
from fleet.hypervisor.domain_xml import parse
from migrations_app.preflight.situation import Findings

#: Unchanged lines shown around a change.
_AROUND = 3
#: What VIR_DOMAIN_XML_SECURE adds to a definition.
_SECRETS = frozenset({"passwd", "passwdValidTo", "password"})


def rewritten(xml: str, findings: Findings, made: Mapping[str, str] | None = None) -> str:
    """The definition for the destination; "" when nothing in it changes.

    `made` are the paths of the copies that were made; without it those that are planned.
    """
    if not changes_anything(findings, made):
        return ""
    changes = findings.rewrites
    return destination_xml.rewrite(
        xml,
        disk_sources=_moved(findings, made),
        cards={mac: (wire.kind, wire.name) for mac, wire in changes.cards.items()},
        files=changes.files,
        networks=changes.console_networks,
        listen=changes.listen,
        emptied=findings.ejected,
    )


def changes_anything(findings: Findings, made: Mapping[str, str] | None = None) -> bool:
    """Whether the definition must be another one at the destination."""
    changes = findings.rewrites
    others = (changes.cards, changes.files, changes.console_networks, changes.listen, findings.ejected)
    return bool(_moved(findings, made)) or any(others)


def _moved(findings: Findings, made: Mapping[str, str] | None) -> dict[str, str]:
    """Disks that another file is named for there: {disk target: path}.

    Also a disk that leaves its backing file: a chain that the definition spells out would be followed there.
    """
    here = {plan.disk.target: plan.disk for plan in findings.disks}
    there = {plan.disk.target: plan.path for plan in findings.disks if plan.path} | dict(made or {})
    return {target: path for target, path in there.items() if path != here[target].source or here[target].backing}


def count(lines: list[str]) -> int:
    """How many of the lines go or come."""
    return sum(line[:1] in {"+", "-"} for line in lines)


def difference(before: str, after: str) -> list[str]:
    """The lines of a unified diff without its file names; none when the two say the same, or one is not known."""
    if not before or not after:
        return []
    lines = difflib.unified_diff(_lines(before), _lines(after), n=_AROUND, lineterm="")
    return list(lines)[2:]


def planned(xml: str, findings: Findings) -> list[str]:
    """What will be different in the definition as it is stored."""
    return difference(xml, rewritten(xml, findings)) if xml else []


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
