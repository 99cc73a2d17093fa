"""Pure: everything the checks look at, and what they say."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from fleet.hypervisor.facts import DiskFacts, GuestFacts, HostFacts, PoolFacts
from fleet.hypervisor.interface import CpuVerdict
from fleet.states import HostState
from migrations_app.map_rules import MapRules, Wire
from migrations_app.options import Options


class Severity(StrEnum):
    """How bad a finding is: only `block` stops a migration."""

    BLOCK = "block"
    WARN = "warn"
    INFO = "info"


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """One finding: a stable code for programs, and words for people."""

    code: str
    severity: Severity
    #: What it is about: a disk's target, a card's MAC address, a host's or guest's name.
    subject: str
    message: str
    remedy: str = ""

    def document(self) -> dict[str, Any]:
        """As the API shows it."""
        return dataclasses.asdict(self) | {"severity": self.severity.value}


@dataclass(frozen=True, kw_only=True, slots=True)
class HostView:
    """A host as the checks see it, from rows or fresh from the host."""

    id: str
    name: str
    state: HostState
    facts: HostFacts
    pools: tuple[PoolFacts, ...]
    memory_free_mib: int
    #: Memory promised to guests that are on their way here.
    reserved_mib: int = 0
    site: str = ""
    #: Where guests of it are reached: for consoles that must listen on an address of their host.
    address: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Situation:
    """One guest, where it is, where it may go, and how."""

    guest: GuestFacts
    source: HostView
    destination: HostView
    options: Options = field(default_factory=Options)
    #: "live", "offline" or "cold": decided, never "auto".
    mode: str = "live"
    #: Of `modes.STORAGES`.
    storage: str = "auto"
    #: What things are called at the destination: the map that was named, or the one between the two sites.
    map: MapRules = field(default_factory=MapRules)
    #: Whether the disks' own headers were read, which alone tell the backing file of a guest that is off.
    disks_read: bool = False
    #: Files of media that the destination, when asked, has at the same path with the same size.
    media_there: frozenset[str] = frozenset()
    #: The destination's own answer about the guest's CPU; None when it was not asked (page views never ask).
    cpu_verdict: CpuVerdict | None = None


class DiskAction(StrEnum):
    """What happens to a disk, or to the medium in a drive."""

    SHARED = "shared"
    #: libvirt copies it as it moves the guest.
    COPY = "copy"
    #: A medium or read-only disk, which libvirt does not copy: Drover brings it before.
    BRING = "bring"
    #: The drive arrives empty.
    EJECT = "eject"
    #: Empty drives and media that both hosts see.
    NOTHING = "nothing"


@dataclass(frozen=True, kw_only=True, slots=True)
class DiskPlan:
    """What happens to one disk, and where its copy goes."""

    disk: DiskFacts
    action: DiskAction
    pool: str = ""
    #: The copy's path as planned; the worker takes another name when the file exists already.
    path: str = ""
    #: Only what lies over the shared backing file is copied.
    incremental: bool = False

    @property
    def moves_elsewhere(self) -> bool:
        """Whether the guest's XML must name another path at the destination."""
        return self.action is not DiskAction.NOTHING and self.path not in {"", self.disk.source}


@dataclass(frozen=True, kw_only=True, slots=True)
class Rewrites:
    """What a guest's definition says otherwise at the destination, its disks aside."""

    #: By the card's MAC address.
    cards: Mapping[str, Wire] = field(default_factory=dict)
    #: Kernel, firmware and the like: the old path and the new one.
    files: Mapping[str, str] = field(default_factory=dict)
    #: libvirt networks on which consoles listen: the old name and the new one.
    console_networks: Mapping[str, str] = field(default_factory=dict)
    #: Where consoles listen that listened on an address of the source alone; "": where they did.
    listen: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Findings:
    """All checks of a situation and the storage plan that follows from it."""

    checks: tuple[Check, ...]
    disks: tuple[DiskPlan, ...]
    rewrites: Rewrites = field(default_factory=Rewrites)

    @property
    def allowed(self) -> bool:
        """Whether nothing blocks."""
        return not any(check.severity is Severity.BLOCK for check in self.checks)

    @property
    def copies(self) -> tuple[DiskPlan, ...]:
        """The disks that must be copied."""
        return tuple(plan for plan in self.disks if plan.action is DiskAction.COPY)

    @property
    def brought(self) -> tuple[DiskPlan, ...]:
        """The media that Drover itself must bring."""
        return tuple(plan for plan in self.disks if plan.action is DiskAction.BRING)

    @property
    def ejected(self) -> tuple[str, ...]:
        """The drives that arrive empty."""
        return tuple(plan.disk.target for plan in self.disks if plan.action is DiskAction.EJECT)

    @property
    def incremental(self) -> bool:
        """Whether only what lies over shared backing files is copied."""
        return any(plan.incremental for plan in self.copies)

    @property
    def storage(self) -> str:
        """The storage strategy this amounts to: "copy_incremental", "copy" or "none"."""
        if self.incremental:
            return "copy_incremental"
        return "copy" if self.copies else "none"

    def blocking(self) -> list[Check]:
        """The checks that stop the migration."""
        return [check for check in self.checks if check.severity is Severity.BLOCK]


def block(code: str, subject: str, message: str, remedy: str = "") -> Check:
    """A finding that stops the migration."""
    return Check(code=code, severity=Severity.BLOCK, subject=subject, message=message, remedy=remedy)


def warn(code: str, subject: str, message: str, remedy: str = "") -> Check:
    """A finding the operator should know before."""
    return Check(code=code, severity=Severity.WARN, subject=subject, message=message, remedy=remedy)


def info(code: str, subject: str, message: str) -> Check:
    """A finding worth a line."""
    return Check(code=code, severity=Severity.INFO, subject=subject, message=message)
