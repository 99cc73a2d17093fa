"""Asking a host from outside this process, with every way it can go wrong put into words and a remedy."""

from __future__ import annotations

from django.conf import settings

from fleet.hypervisor import errors
from fleet.hypervisor import probe as probes
from fleet.hypervisor.facts import HostAddress
from fleet.hypervisor.hostkeys import key_file
from fleet.hypervisor.uris import DEFAULT_PORTS
from fleet.refusals import Refused

#: Seconds for opening the connection and reading everything; a person waits for this at a form.
SPARE_S = 10
#: What shows a host its own fingerprints, whichever key it showed us.
SHOW_KEYS = "for key in /etc/ssh/ssh_host_*_key.pub; do ssh-keygen -lf $key; done"


def ask(address: HostAddress) -> probes.Probe:
    """What the host says of itself now; Refused says what is wrong and what helps."""
    try:
        return probes.probe(address, deadline_s=settings.OPEN_DEADLINE_S + SPARE_S)
    except errors.HypervisorError as error:
        raise refusal(error, address) from error


def refusal(error: errors.HypervisorError, address: HostAddress) -> Refused:
    """The error as a person at a page or a program needs it."""
    where = _where(address)
    match error:
        case errors.HostKeyChanged():
            return Refused(
                f"The ssh host key of {where} is not the approved one any more; it now shows {error.fingerprint}.",
                code=error.code,
                field="ssh_host_key",
                remedy="Ask the host's administrator why. If the host was reinstalled, compare the fingerprint on the "
                f"host (ssh-keygen -lf {key_file(error.key)}) and approve the new key; otherwise somebody "
                "may sit in between.",
                data={"fingerprint": error.fingerprint, "key": error.key},
            )
        case errors.HostKeyUnknown():
            return Refused(
                f"The ssh host key of {where} has not been approved yet: {error.fingerprint}.",
                code=error.code,
                field="ssh_host_key",
                remedy=f"Compare the fingerprint on the host (ssh-keygen -lf {key_file(error.key)}), then approve it.",
                data={"fingerprint": error.fingerprint, "key": error.key},
            )
    words, remedy, field = _words(error, address)
    # The host's own words stand behind ours: an admin searches the web for them.
    text = f"{where} {words}: {error.text}" if error.text else f"{where} {words}."
    return Refused(text, code=error.code, remedy=remedy, field=field)


def _words(error: errors.HypervisorError, address: HostAddress) -> tuple[str, str, str]:
    port = address.port or DEFAULT_PORTS.get(address.transport)
    match error:
        case errors.BadCertificate():
            return (
                "could not be trusted over TLS",
                f"The host's certificate must be signed by the authority in {settings.PKI_DIR / 'cacert.pem'}, name "
                f"'{address.address}' and not be expired; the host must trust the signer of our client certificate.",
                "address",
            )
        case errors.AccessDenied():
            key = f"{settings.SSH_KEY}.pub"
            remedy = (
                f"Put the public key {key} into the authorized_keys of '{address.username or 'root'}' on the host; "
                "that user must be allowed to use libvirt (group libvirt)."
                if address.transport == "ssh"
                else "Let libvirtd on the host accept our client certificate (tls_allowed_dn_list in libvirtd.conf)."
            )
            return "refused our identity", remedy, "username" if address.transport == "ssh" else "address"
        case errors.NotAHypervisor():
            remedy = "Add a host that runs libvirtd with QEMU/KVM (package libvirt-daemon-system on Debian)."
            return "answered, but is no QEMU/KVM hypervisor", remedy, "address"
        case errors.HostUnreachable():
            return (
                "could not be reached",
                f"Check that the host is on, that libvirt listens there ({_listener(address)}) and that no firewall "
                f"keeps us from {f'port {port}' if port else 'it'}.",
                "address",
            )
    return "answered with an error", "See the log of libvirtd on the host (journalctl -u libvirtd).", "address"


def _listener(address: HostAddress) -> str:
    return {
        "ssh": "systemctl status ssh libvirtd",
        "tls": "systemctl status libvirtd-tls.socket",
        "tcp": "systemctl status libvirtd-tcp.socket",
    }.get(address.transport, "systemctl status libvirtd")


def _where(address: HostAddress) -> str:
    port = f", port {address.port}" if address.port else ""
    return f"{address.name} ({address.address}{port}, {address.transport})"
