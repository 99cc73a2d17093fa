"""Pure: every libvirt URI Drover opens or hands to a host, built from checked fields; nobody types one.

Parameters of a libvirt URI can run commands here and on the hosts, read files as credentials and switch off
certificate checks, so nothing but the fixed ones below ever appears.
"""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from urllib.parse import quote

from fleet.hypervisor.config import EdgeConfig
from fleet.hypervisor.facts import HostAddress
from fleet.refusals import Refused

_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOSTNAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?")
_USERNAME = re.compile(r"[a-z_][a-z0-9_.-]{0,31}")
_KEY_LINE = re.compile(r"(?:ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(?:256|384|521)) [A-Za-z0-9+/]+={0,2}")
_TEST_FILE = re.compile(r"/[A-Za-z0-9_./-]+\.xml")
_SOCKET = re.compile(r"/[A-Za-z0-9_./-]+")
DEFAULT_PORTS = {"tls": 16514, "ssh": 22, "tcp": 16509}


def checked(address: HostAddress, config: EdgeConfig) -> HostAddress:
    """The same address, or Refused naming the first field that is wrong."""
    if address.transport not in config.transports:
        allowed = ", ".join(config.transports)
        raise _refusal("transport", f"Transport '{address.transport}' is not allowed here; allowed: {allowed}")
    _check_where(address)
    if address.port is not None and not 1 <= address.port <= 65535:
        raise _refusal("port", f"Port {address.port} is no TCP port; use 1 to 65535")
    if address.username and (address.transport != "ssh" or not _USERNAME.fullmatch(address.username)):
        text = "A user name is for ssh only" if address.transport != "ssh" else f"'{address.username}' is no user name"
        raise _refusal("username", f"{text}; it begins with a letter, then letters, digits, '.', '_' and '-'")
    if address.migration_address:
        _check_host(address.migration_address, "migration_address")
    if any(not _KEY_LINE.fullmatch(line) for line in address.ssh_host_key.splitlines()):
        raise _refusal(
            "ssh_host_key", "The ssh host key must be lines of type and base64 key, as ssh-keyscan shows them"
        )
    return address


def control_uri(address: HostAddress, config: EdgeConfig) -> str:
    """What Drover itself opens."""
    checked(address, config)
    where = _netloc(address)
    match address.transport:
        case "tls":
            return f"qemu+tls://{where}/system?pkipath={quote(str(config.pki_dir), safe='')}"
        case "ssh":
            # Not +ssh: it cannot be told which known_hosts file to use. Not +libssh: with libvirt 9.0 and libssh 0.10
            # every answer of some 10 kB waits for the next keepalive message.
            return f"qemu+libssh2://{_user(address)}@{where}/system?{_ssh_query(address, config)}"
        case "tcp":
            return f"qemu+tcp://{where}/system"
        case "unix":
            socket = address.address if address.address.startswith("/") else ""
            return f"qemu+unix:///system?socket={quote(socket, safe='')}" if socket else "qemu:///system"
        case "test":
            name = address.address if address.address.startswith("/") else "/default"
            return f"test+tcp://127.0.0.1:{address.port}{name}" if address.port else f"test://{name}"
    raise _refusal("transport", f"Transport '{address.transport}' has no libvirt URI")


def peer_uri(address: HostAddress, config: EdgeConfig) -> str:
    """What the SOURCE host's libvirt daemon opens, as root there and with its own keys: no parameter names a file."""
    checked(address, config)
    where = _netloc(address)
    match address.transport:
        case "tls":
            return f"qemu+tls://{where}/system"
        case "ssh":
            return f"qemu+ssh://{_user(address)}@{where}/system?no_tty=1"
        case "tcp":
            return f"qemu+tcp://{where}/system"
    raise _refusal("transport", f"Guests cannot be sent to a host that is reached over '{address.transport}'")


def data_address(address: HostAddress) -> str:
    """Host name or IP literal where the guest's memory and disks go, without brackets."""
    return address.migration_address or address.address


def migrate_uri(address: HostAddress) -> str:
    """Where the source's QEMU sends memory; the destination picks the port."""
    return f"tcp://{_bracketed(data_address(address))}"


def is_ip_literal(text: str) -> bool:
    """Whether `text` is an IPv4 or IPv6 address (without brackets)."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return "%" not in text


def known_hosts_path(address: HostAddress, config: EdgeConfig) -> Path:
    """The pinned file of this host: its name says host and port, never anything a path could mean."""
    port = address.port or DEFAULT_PORTS["ssh"]
    return config.known_hosts_dir / f"{address.address.lower().replace(':', '_')}-{port}"


def _check_where(address: HostAddress) -> None:
    if address.transport == "unix" and (address.address == "localhost" or _SOCKET.fullmatch(address.address)):
        return
    if address.transport == "test" and (address.address == "default" or _TEST_FILE.fullmatch(address.address)):
        return
    if address.transport in {"unix", "test"}:
        raise _refusal("address", f"'{address.address}' is no address for transport '{address.transport}'")
    _check_host(address.address, "address")


def _check_host(text: str, field: str) -> None:
    if is_ip_literal(text):
        return
    dotted_number = re.fullmatch(r"[0-9.]+", text)
    if len(text) > 253 or not _HOSTNAME.fullmatch(text) or dotted_number:
        raise _refusal(field, f"'{text}' is neither a host name nor an IP address")


def _user(address: HostAddress) -> str:
    return quote(address.username or "root", safe="")


def _netloc(address: HostAddress) -> str:
    where = _bracketed(address.address)
    return f"{where}:{address.port}" if address.port else where


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _ssh_query(address: HostAddress, config: EdgeConfig) -> str:
    parameters = {
        "keyfile": str(config.ssh_key),
        "known_hosts": str(known_hosts_path(address, config)),
        "known_hosts_verify": "normal",
        "sshauth": "privkey",
        "no_tty": "1",
        "proxy": "native",
    }
    return "&".join(f"{name}={quote(value, safe='')}" for name, value in parameters.items())


def _refusal(field: str, text: str) -> Refused:
    return Refused(text, code="invalid_address", field=field)
