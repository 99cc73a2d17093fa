"""What can go wrong at a host, in our words; each says whether trying again can help."""

from __future__ import annotations


class HypervisorError(Exception):
    """A call to a host did not do what was asked; `code` is stable, the text is for people."""

    code = "hypervisor_error"

    def __init__(self, text: str, *, host: str = "", libvirt_code: int | None = None) -> None:
        super().__init__(text)
        self.text, self.host, self.libvirt_code = text, host, libvirt_code


class HostUnreachable(HypervisorError):
    """No answer within the deadline, or the connection broke: nothing is known about the call's effect."""

    code = "host_unreachable"


class PeerUnreachable(HypervisorError):
    """The source host reports that it cannot reach the destination, or lost it; both can still be asked."""

    code = "peer_unreachable"


class BadCertificate(HypervisorError):
    """The TLS handshake failed: wrong authority, wrong name or expired."""

    code = "bad_certificate"


class HostKeyUnknown(HypervisorError):
    """The ssh host key has not been approved yet; `fingerprint` and `key` are what the host shows now."""

    code = "host_key_unknown"

    def __init__(self, text: str, *, host: str = "", fingerprint: str = "", key: str = "") -> None:
        super().__init__(text, host=host)
        self.fingerprint, self.key = fingerprint, key


class HostKeyChanged(HostKeyUnknown):
    """The ssh host key differs from the approved one: somebody reinstalled the host, or sits in between."""

    code = "host_key_changed"


class AccessDenied(HypervisorError):
    """The host refused our identity."""

    code = "access_denied"


class NotAHypervisor(HypervisorError):
    """Something answered, but it is no QEMU/KVM hypervisor."""

    code = "not_a_hypervisor"


class GuestNotFound(HypervisorError):
    """The host knows no guest with this UUID."""

    code = "guest_not_found"


class JobBusy(HypervisorError):
    """libvirt runs another job on the guest."""

    code = "guest_busy"


class NoJob(HypervisorError):
    """The guest has no running job that could be steered."""

    code = "no_job"


class Aborted(HypervisorError):
    """The migration was cancelled on request."""

    code = "aborted"


class NoSpace(HypervisorError):
    """A pool or file system is full."""

    code = "no_space"


class VolumeExists(HypervisorError):
    """A volume of that name is there already and is not ours to overwrite."""

    code = "volume_exists"
