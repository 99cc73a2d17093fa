"""What must hold after every fault, asked of processes, virsh, folders and rows: never of Drover alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from lab import Lab
from tests.faults.scene import SOURCE, Scene

FOLDERS = ("/srv/shared", "/srv/local", "/var/lib/libvirt/qemu/save")
#: Drover's own marks in a pool's folder, and notes beside quarantined disks, which a reset between rows takes away.
MARKS = (".marker", ".drover-quarantine")


@dataclass(frozen=True)
class HostTruth:
    """One host, as it stands: domains with their states, the disks they name, the files in its pools."""

    domains: dict[str, str]
    disks: frozenset[str]
    files: frozenset[str]


def look(lab: Lab, host: str) -> HostTruth:
    """Ask the host itself."""
    names = lab.virsh(host, "list", "--all", "--name").split()
    domains, disks = {}, set()
    for name in names:
        state, _, listed = lab.virsh(host, f"domstate {name}; domblklist {name}").strip().partition("\n")
        domains[name] = state.strip()
        disks |= {line.split(None, 1)[1].strip() for line in listed.splitlines() if len(line.split()) == 2}
    found = lab.exec(host, "find", *FOLDERS, "-type", "f")
    return HostTruth(domains, frozenset(disks), frozenset(path for path in found.split() if not path.endswith(MARKS)))


def wrong(scene: Scene, ended: dict[str, Any]) -> list[str]:
    """Everything that is not as it must be, each in a sentence; empty when all is well."""
    hosts = {name: look(scene.lab, name) for name in scene.lab.hosts}
    return [
        *copies(scene, ended, hosts),
        *others(scene, hosts),
        *writes(scene),
        *orphans(scene, ended, hosts),
        *rows(scene, ended),
        *log(scene, ended),
    ]


def place(ended: dict[str, Any]) -> str:
    """Where the ended job says that the guest is."""
    return ended["result"]["destination"] if ended["state"] == "succeeded" else ended["error"]["guest_is_on"]


def is_off(ended: dict[str, Any]) -> bool:
    """Whether the job ended with the reason why nothing runs."""
    return bool(ended["error"]) and ended["error"]["code"] in {"guest_off", "guest_gone"}


def nature(lab: Lab, guest: str) -> str:
    """How virsh calls a guest that nothing happened to."""
    return "running" if lab.guests[guest].runs else "shut off"


def copies(scene: Scene, ended: dict[str, Any], hosts: dict[str, HostTruth]) -> list[str]:
    """Exactly one running copy, or none with the reason: by processes and by virsh, at the host the job names."""
    processes = scene.lab.running_copies(scene.guest)
    virsh = {name: host.domains[scene.guest] for name, host in hosts.items() if scene.guest in host.domains}
    usual = scene.notes.get("guest_state", nature(scene.lab, scene.guest))
    wanted = [] if is_off(ended) or usual == "shut off" else [place(ended)]
    found = []
    if processes != wanted:
        found.append(f"QEMU processes of {scene.guest} at {processes}, the job says {wanted}")
    if [name for name, state in virsh.items() if state in {"running", "paused"}] != wanted:
        found.append(f"virsh says {virsh}, the job says {wanted}")
    if len(virsh) > 1:
        found.append(f"{scene.guest} is defined at {sorted(virsh)}")
    if not is_off(ended) and virsh.get(place(ended)) != usual:
        found.append(f"{scene.guest} is {virsh.get(place(ended), 'unknown')} at {place(ended)}")
    return found


def others(scene: Scene, hosts: dict[str, HostTruth]) -> list[str]:
    """Guests that had nothing to do with it run where they ran, unless their host lost its power."""
    found = []
    for name, guest in scene.lab.guests.items():
        if name == scene.guest or guest.host in scene.notes.get("lost_power", ()):
            continue
        where = [guest.host] if guest.runs else []
        wanted = nature(scene.lab, name)
        if hosts[guest.host].domains.get(name) != wanted or scene.lab.running_copies(name) != where:
            found.append(f"{name}, which nobody moved, is no longer {wanted} on {guest.host} alone")
    return found


def writes(scene: Scene) -> list[str]:
    """No acknowledged write is missing, and none was made twice; a disk at rest is what it was."""
    if scene.notes.get("guest_removed"):
        return []
    plan = scene.lab.guests[scene.guest]
    if plan.runs:
        verdict = scene.lab.check_counter(scene.guest)
        return [] if verdict.ok else [f"{scene.guest}: {verdict}"]
    host = scene.lab.whereabouts(scene.guest)
    disk = scene.lab.virsh(host, "domblklist", scene.guest).split(None, 1)[1].strip()
    told = scene.lab.exec(host, "qemu-io", "-r", "-f", "qcow2", "-c", f"read -P 0x5a 4M {plan.data_mib}M", disk)
    return [] if "failed" not in told else [f"{scene.guest}'s disk is not what it was: {told}"]


def orphans(scene: Scene, ended: dict[str, Any], hosts: dict[str, HostTruth]) -> list[str]:
    """Every file in a pool is some guest's disk, or was left at the source as the receipt says."""
    kept = {PurePosixPath(path).name for path in (ended["result"] or {}).get("left_behind", [])}
    kept |= set(scene.notes.get("files_of_others", ()))
    if scene.notes.get("guest_removed"):  # whoever removed it left its disk
        kept.add(f"{scene.guest}.qcow2")
    found = []
    for name, host in hosts.items():
        site = {other.name for other in scene.lab.plan.hosts if other.site == scene.lab.hosts[name].site}
        shared = {disk for other in site for disk in hosts[other].disks if disk.startswith("/srv/shared/")}
        for path in sorted(host.files - host.disks - shared):
            if PurePosixPath(path).name not in kept or (name != SOURCE and "shared" not in path):
                found.append(f"{path} on {name} belongs to nobody")
    return found


def rows(scene: Scene, ended: dict[str, Any]) -> list[str]:
    """The rows: no job left open (it would keep its reservation), every step over, audited once."""
    found = [f"still open: {job['title']} is {job['state']}" for job in scene.drover.unfinished()]
    over = {"done", "skipped", "failed"}
    found += [f"step {step['name']} is {step['state']}" for step in ended["steps"] if step["state"] not in over]
    # One that was cancelled before it began has no outcome but that.
    verb = "migration.outcome" if ended["started_at"] else "job.cancel"
    outcomes = [line["outcome"] for line in scene.drover.audit(ended) if line["verb"] == verb]
    if scene.notes.get("never_started"):
        return found
    if outcomes != [ended["state"]]:
        found.append(f"the audit log has {outcomes or 'no outcome'} for a job that {ended['state']}")
    return found


def log(scene: Scene, ended: dict[str, Any]) -> list[str]:
    """A person can follow it: from the wish to the end, without gaps, in sentences."""
    events = scene.drover.events(ended)
    found = []
    if [event["seq"] for event in events] != list(range(1, len(events) + 1)):
        found.append("the log's lines are not numbered without gaps")
    if events[0]["code"] != "submitted":
        found.append("the log does not begin with the wish")
    ends = {"succeeded": ("runs on", "is on", "uses its new disks"), "cancelled": ("ancel",), "failed": ("",)}
    if not any(words in events[-1]["message"] for words in ends[ended["state"]]):
        found.append(f"the log ends with '{events[-1]['message']}'")
    found += [f"'{e['message']}' is no sentence" for e in events if not e["message"] or "Traceback" in e["message"]]
    return found


def row_is_true(scene: Scene, ended: dict[str, Any]) -> bool:
    """Whether the guest's row says what is so."""
    row = scene.drover.guest(scene.guest)
    if scene.notes.get("guest_removed"):
        return not row or row["state"] in {"unknown", "shutoff"} or not row["host"]
    usual = scene.notes.get("guest_state", nature(scene.lab, scene.guest))
    states = {"shutoff", "crashed"} if is_off(ended) or usual == "shut off" else {usual}
    return bool(row) and row["state"] in states and bool(row["host"]) and row["host"]["name"] == place(ended)
