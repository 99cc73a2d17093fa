"""Pure: libvirt's verdict about a guest's CPU on a host -> `CpuVerdict`."""

from __future__ import annotations

import re

from fleet.hypervisor.domain_xml import parse
from fleet.hypervisor.interface import CpuVerdict

_FEATURES = re.compile(r"required features: (.+)$", re.MULTILINE)
#: virCPUCompareResult
INCOMPATIBLE, IDENTICAL, SUPERSET = 0, 1, 2
#: Modes whose meaning is the host's own CPU: there is no model to compare.
#: (libvirt writes out the model of "host-model" when a guest starts, so only one that is off still says so).
HOST_MODES = frozenset({"host-passthrough", "host-model", "maximum"})


def nothing_to_compare(cpu_xml: str) -> CpuVerdict | None:
    """The verdict that needs no host: libvirt's default CPU, or the host's own; None when the host must be asked."""
    if not cpu_xml:
        return CpuVerdict(
            compatible=True, detail="The guest uses libvirt's default CPU, which every host of its kind has."
        )
    mode = parse(cpu_xml).get("mode", "")
    if mode in HOST_MODES:
        detail = f"The guest's CPU mode is {mode}: libvirt has nothing to compare."
        return CpuVerdict(compatible=True, detail=detail, compared=False)
    return None


def verdict(number: int) -> CpuVerdict:
    """From virConnectCompareHypervisorCPU's number."""
    if number in {IDENTICAL, SUPERSET}:
        return CpuVerdict(compatible=True)
    return CpuVerdict(compatible=False, detail="libvirt there finds the CPU incompatible")


def incompatible(text: str) -> CpuVerdict:
    """From the error that names what is missing (VIR_CONNECT_COMPARE_CPU_FAIL_INCOMPATIBLE)."""
    found = _FEATURES.search(text)
    missing = tuple(word.strip() for word in found.group(1).split(",")) if found else ()
    return CpuVerdict(compatible=False, missing=missing, detail=text)


def by_model(cpu_xml: str, usable: tuple[str, ...]) -> CpuVerdict:
    """Where a libvirt cannot compare for this kind of guest: is the model one that the host can run?"""
    model = (parse(cpu_xml).findtext("model") or "").strip()
    if not model or model in usable:
        return CpuVerdict(compatible=True, detail="Compared by the CPU model only.")
    return CpuVerdict(compatible=False, missing=(model,), detail=f"The host cannot run CPU model {model}")
