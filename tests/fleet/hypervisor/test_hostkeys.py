"""Which ssh host key is asked about, and what the pinned file holds."""

from __future__ import annotations

import subprocess

import pytest

from fleet.hypervisor import hostkeys
from fleet.hypervisor.config import EdgeConfig
from fleet.hypervisor.errors import HostKeyChanged, HostKeyUnknown
from fleet.hypervisor.facts import HostAddress

ECDSA = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAI"
ED = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDP79qtY8IjEhAbbGsZB"
OTHER = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOKT1Blzw0rPikGB0ArA"


def host(key="", **fields):
    return HostAddress(name="alpha", transport="ssh", address="alpha.example", ssh_host_key=key, **fields)


def test_an_unapproved_key_is_shown_for_approval():
    with pytest.raises(HostKeyUnknown) as unknown:
        hostkeys.verify(host(), (ECDSA, ED))
    assert unknown.value.key == ECDSA
    assert unknown.value.fingerprint == hostkeys.fingerprint(ECDSA)
    assert not isinstance(unknown.value, HostKeyChanged)


def test_only_the_key_that_will_be_used_counts():
    hostkeys.verify(host(ECDSA), (ECDSA, ED))
    with pytest.raises(HostKeyUnknown) as unknown:
        hostkeys.verify(host(ED), (ECDSA, ED))
    assert unknown.value.code == "host_key_unknown"


def test_a_key_that_replaced_the_approved_one_is_an_alarm():
    with pytest.raises(HostKeyChanged) as changed:
        hostkeys.verify(host(OTHER), (ED,))
    assert (changed.value.code, changed.value.key) == ("host_key_changed", ED)


def test_the_fingerprint_is_what_ssh_keygen_prints(tmp_path):
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "key"], check=True)
    public = (tmp_path / "key.pub").read_text()
    printed = subprocess.run(["ssh-keygen", "-lf", tmp_path / "key.pub"], check=True, capture_output=True, text=True)
    assert hostkeys.fingerprint(" ".join(public.split()[:2])) == printed.stdout.split()[1]


@pytest.mark.parametrize(("key", "name"), [(ECDSA, "ecdsa"), (ED, "ed25519"), ("ssh-rsa AAAA", "rsa")])
def test_the_file_to_compare_with(key, name):
    assert hostkeys.key_file(key) == f"/etc/ssh/ssh_host_{name}_key.pub"


@pytest.mark.parametrize(
    ("port", "name"), [(None, "alpha.example"), (22, "alpha.example"), (2222, "[alpha.example]:2222")]
)
def test_the_pinned_file_holds_the_approved_key_alone_and_is_private(tmp_path, port, name):
    path = hostkeys.pin(host(ED, port=port), EdgeConfig(known_hosts_dir=tmp_path / "known"))
    assert path.read_text() == f"{name} {ED}\n"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert hostkeys.pin(host(OTHER, port=port), EdgeConfig(known_hosts_dir=tmp_path / "known")).read_text() == (
        f"{name} {OTHER}\n"
    )
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
