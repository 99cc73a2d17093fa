"""Pure: libvirt's error code, domain and text -> one of our errors.

Numbers are libvirt's virErrorNumber and virErrorDomain (include/libvirt/virterror.h); where one number means many
things, the text decides.
"""

from __future__ import annotations

import re

from fleet.hypervisor import errors

NO_SUPPORT = 3
NO_DOMAIN = 42
NO_STORAGE_POOL = 49
NO_STORAGE_VOL = 50
CPU_INCOMPATIBLE = 91
_FROM_RPC = 7
_FROM_REMOTE = 13

_BY_CODE: dict[int, type[errors.HypervisorError]] = {
    NO_DOMAIN: errors.GuestNotFound,
    29: errors.AccessDenied,  # OPERATION_DENIED
    45: errors.AccessDenied,  # AUTH_FAILED
    68: errors.JobBusy,  # OPERATION_TIMEOUT: "cannot acquire state change lock (held by ...)"
    78: errors.Aborted,  # OPERATION_ABORTED
    79: errors.AccessDenied,  # AUTH_CANCELLED
    83: errors.JobBusy,  # BLOCK_COPY_ACTIVE
    88: errors.AccessDenied,  # ACCESS_DENIED
    90: errors.VolumeExists,  # STORAGE_VOL_EXIST
    94: errors.AccessDenied,  # AUTH_UNAVAILABLE
}

_BY_TEXT: tuple[tuple[re.Pattern[str], type[errors.HypervisorError]], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), kind)
    for pattern, kind in (
        (r"no space left on device|disk quota exceeded|not enough (?:free )?space", errors.NoSpace),
        (r"another \S* ?(?:migration )?job is already running|cannot acquire state change lock", errors.JobBusy),
        (
            r"no (?:migration )?job is active|domain is not being migrated|not (?:currently )?being migrated",
            errors.NoJob,
        ),
        (r"canceled by client|cancelled by client", errors.Aborted),
        (r"host key|known_hosts", errors.HostKeyUnknown),
        (r"certificate|TLS handshake|tls session|pull function|\bCA\b", errors.BadCertificate),
        (r"authentication failed|no authentication method|access denied|permission denied", errors.AccessDenied),
        (r"remote command terminated with non-zero code: 127", errors.NotAHypervisor),
        (r"remote command terminated", errors.AccessDenied),
        # A login shell or another service talks where libvirt's protocol is expected.
        (r"packet \d+ bytes received from server too (?:large|small)", errors.NotAHypervisor),
        (r"virt-ssh-helper|libvirt-sock|no connection driver available", errors.NotAHypervisor),
    )
)

#: Only the transport says these: the call's effect is not known.
_LOST = re.compile(
    r"unable to connect|connection refused|no route to host|network is unreachable|connection timed out|timed out"
    r"|end of file|client socket is closed|cannot (?:recv|write) data|connection reset|broken pipe|keepalive"
    r"|hangup|unable to resolve address|name or service not known|connection closed|input/output error"
    r"|socket (?:error|disconnected)|failed to connect|invalid connection pointer",
    re.IGNORECASE,
)
_TRANSPORT_DOMAINS = frozenset({_FROM_RPC, _FROM_REMOTE, 50, 66})  # 50 SSH, 66 LIBSSH


def translate(*, code: int, domain: int, text: str, host: str) -> errors.HypervisorError:
    """The error as the rest of Drover knows it, with libvirt's own words."""
    kind = _kind(code, domain, text)
    if issubclass(kind, errors.HostKeyUnknown):
        return kind(text, host=host)
    return kind(text, host=host, libvirt_code=code)


def lost(domain: int, text: str) -> bool:
    """Whether the error says that a connection broke or never stood."""
    return domain in _TRANSPORT_DOMAINS and _LOST.search(text) is not None


def _kind(code: int, domain: int, text: str) -> type[errors.HypervisorError]:
    for pattern, kind in _BY_TEXT:
        transport_only = kind in {errors.HostKeyUnknown, errors.BadCertificate, errors.NotAHypervisor}
        if pattern.search(text) and (not transport_only or domain in _TRANSPORT_DOMAINS):
            return kind
    if lost(domain, text):
        return errors.HostUnreachable
    return _BY_CODE.get(code, errors.HypervisorError)
