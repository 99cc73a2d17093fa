"""Ask a host once, in a process of its own: killed at the deadline, and libvirt never enters the asking process.

The child reads {"address", "config"} as JSON on stdin and writes facts, pools and guests, or the error, on stdout.
"""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from fleet.hypervisor import connect, errors
from fleet.hypervisor.config import EdgeConfig
from fleet.hypervisor.environment import clean_environment
from fleet.hypervisor.facts import GuestFacts, HostAddress, HostFacts, PoolFacts, dump, load
from fleet.hypervisor.interface import Hypervisor
from fleet.hypervisor.uris import checked
from fleet.refusals import Refused

_ROOT = Path(__file__).resolve().parents[2]
_ERRORS = {
    kind.code: kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, errors.HypervisorError)
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Probe:
    """A host as it described itself just now."""

    facts: HostFacts
    pools: tuple[PoolFacts, ...]
    guests: tuple[GuestFacts, ...]


def probe(address: HostAddress, *, deadline_s: float) -> Probe:
    """What the host says; raises `errors.HypervisorError` with the reason, Refused for an address not to be used."""
    config = connect.configuration()
    checked(address, config)
    if address.transport == "fake":  # lives in this process only
        return _ask(connect.get(address))
    request = json.dumps({"address": dump(address), "config": _config_document(config, deadline_s)})
    return _answer(_run(request, address, deadline_s), address)


def _run(request: str, address: HostAddress, deadline_s: float) -> str:
    child = subprocess.Popen(
        [sys.executable, "-m", "fleet.hypervisor.probe"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=_ROOT,
        env=clean_environment(),
        start_new_session=True,
    )
    try:
        out, err = child.communicate(request, timeout=deadline_s)
    except subprocess.TimeoutExpired:
        raise errors.HostUnreachable(f"No answer within {deadline_s:g} s", host=address.name) from None
    finally:
        if child.poll() is None:
            # The group, so that a waiting ssh-keyscan goes too.
            os.killpg(child.pid, signal.SIGKILL)
            child.communicate()
    if child.returncode != 0 or not out:
        last = (err.strip().splitlines() or ["no message"])[-1]
        raise errors.HypervisorError(f"The probe ended with code {child.returncode}: {last}", host=address.name)
    return out


def _answer(out: str, address: HostAddress) -> Probe:
    document = json.loads(out)
    if "refused" in document:
        raise Refused(**document["refused"])
    if "error" in document:
        raise _error(document["error"], address)
    return Probe(
        facts=load(HostFacts, document["facts"]),
        pools=tuple(load(PoolFacts, pool) for pool in document["pools"]),
        guests=tuple(load(GuestFacts, guest) for guest in document["guests"]),
    )


def _error(document: dict[str, Any], address: HostAddress) -> errors.HypervisorError:
    kind = _ERRORS.get(document["code"], errors.HypervisorError)
    if issubclass(kind, errors.HostKeyUnknown):
        return kind(
            document["text"],
            host=address.name,
            fingerprint=document.get("fingerprint", ""),
            key=document.get("key", ""),
        )
    return kind(document["text"], host=address.name, libvirt_code=document.get("libvirt_code"))


def _ask(host: Hypervisor) -> Probe:
    return Probe(facts=host.facts(), pools=host.pools(), guests=host.guests())


def _config_document(config: EdgeConfig, deadline_s: float) -> dict[str, Any]:
    document = {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}
    document["networks"] = [str(network) for network in config.networks]
    document["open_deadline_s"] = min(config.open_deadline_s, deadline_s)
    return {name: str(value) if isinstance(value, Path) else value for name, value in document.items()}


def _config(document: dict[str, Any]) -> EdgeConfig:
    paths = {name: Path(document[name]) for name in ("pki_dir", "ssh_key", "known_hosts_dir")}
    networks = tuple(ip_network(text) for text in document["networks"])
    return EdgeConfig(**{**document, **paths, "networks": networks, "transports": tuple(document["transports"])})


def _child(request: dict[str, Any]) -> dict[str, Any]:
    """The child's whole work: a document with facts, or with what went wrong."""
    connect.configure(_config(request["config"]))
    try:
        found = _ask(connect.get(load(HostAddress, request["address"])))
    except Refused as refusal:
        names = ("text", "code", "remedy", "field", "data")
        return {"refused": {name: getattr(refusal, name) for name in names}}
    except errors.HypervisorError as error:
        names = ("code", "text", "libvirt_code", "fingerprint", "key")
        return {"error": {name: getattr(error, name) for name in names if hasattr(error, name)}}
    return dump(found)


if __name__ == "__main__":
    json.dump(_child(json.load(sys.stdin)), sys.stdout)
    sys.stdout.flush()
    # Closing a connection may hang and a stuck thread would too: nothing here is worth waiting for.
    os._exit(0)
