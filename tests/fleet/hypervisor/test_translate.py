"""libvirt's errors as they were seen on real hosts, and what each becomes."""

from __future__ import annotations

import pytest

from fleet.hypervisor import errors
from fleet.hypervisor.translate import translate

RPC, QEMU, STORAGE, SSH = 7, 10, 18, 50


@pytest.mark.parametrize(
    ("code", "domain", "text", "kind"),
    [
        (42, QEMU, "Domain not found: no domain with matching uuid 'x' (web)", errors.GuestNotFound),
        (78, QEMU, "operation aborted: job 'migration out' canceled by client", errors.Aborted),
        (55, QEMU, "Requested operation is not valid: no job is active on the domain", errors.NoJob),
        (
            55,
            QEMU,
            "Requested operation is not valid: another migration job is already running for the domain",
            errors.JobBusy,
        ),
        (68, QEMU, "Timed out during operation: cannot acquire state change lock (held by monitor=x)", errors.JobBusy),
        (90, STORAGE, "storage volume 'x.qcow2' exists already", errors.VolumeExists),
        (38, STORAGE, "cannot extend file '/srv/x': No space left on device", errors.NoSpace),
        (1, QEMU, "internal error: block job: error: No space left on device", errors.NoSpace),
        (38, RPC, "unable to connect to server at '10.0.0.1:16514': Connection refused", errors.HostUnreachable),
        (38, RPC, "unable to connect to server at '10.0.0.1:16514': No route to host", errors.HostUnreachable),
        (38, RPC, "Unable to resolve address 'x' service '16514': Temporary failure", errors.HostUnreachable),
        (38, RPC, "End of file while reading data: Input/output error", errors.HostUnreachable),
        (1, RPC, "internal error: client socket is closed", errors.HostUnreachable),
        (38, RPC, "Cannot recv data: Connection reset by peer", errors.HostUnreachable),
        (39, RPC, "internal error: connection closed due to keepalive timeout", errors.HostUnreachable),
        (9, RPC, "The certificate is not trusted: hasn't got a known issuer", errors.BadCertificate),
        (9, RPC, "Certificate 10.0.0.1 owner does not match the hostname alpha", errors.BadCertificate),
        (85, SSH, "SSH transport error: Can't verify the session host key", errors.HostKeyUnknown),
        (85, SSH, "SSH transport error: !!! SSH HOST KEY VERIFICATION FAILED !!!", errors.HostKeyUnknown),
        (45, RPC, "authentication failed: no way", errors.AccessDenied),
        (85, SSH, "SSH transport error: authentication failed: Username/PublicKey", errors.AccessDenied),
        (88, 60, "access denied: 'QEMU' denied access", errors.AccessDenied),
        (
            38,
            RPC,
            "packet 1416128879 bytes received from server too large, want 33554432",
            errors.NotAHypervisor,
        ),
        (91, 31, "the CPU is incompatible with host CPU", errors.HypervisorError),
        (81, QEMU, "Unsafe migration: Migration without shared storage is unsafe", errors.HypervisorError),
        # A guest's monitor or disk may use the transport's words: the connection to the host is fine.
        (1, QEMU, "internal error: End of file from qemu monitor", errors.HypervisorError),
        (38, QEMU, "unable to connect to qemu: Connection refused", errors.HypervisorError),
        (1, QEMU, "internal error: cannot load certificate", errors.HypervisorError),
    ],
)
def test_each_error_keeps_its_words_and_gets_its_kind(code, domain, text, kind):
    error = translate(code=code, domain=domain, text=text, host="alpha")
    assert type(error) is kind
    assert (error.text, error.host) == (text, "alpha")
