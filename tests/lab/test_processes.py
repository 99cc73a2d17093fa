"""Which processes are ours."""

from __future__ import annotations

from lab.processes import Process, marked_owner, owner_in_argv

PREFIX = "drover-lab:demo:"
MOUNTS = "31 1 8:1 / / rw - ext4 /dev/vda rw\n44 31 0:50 / /m rw - tmpfs drover-lab:demo:alpha rw,size=4k\n"


def test_a_mount_table_with_the_mark_names_the_host() -> None:
    assert marked_owner(MOUNTS, PREFIX) == "alpha"


def test_another_labs_mark_is_not_ours() -> None:
    assert marked_owner(MOUNTS, "drover-lab:dem:") is None
    assert marked_owner(MOUNTS, "drover-lab:demo2:") is None


def test_a_holder_that_has_no_mark_yet_is_known_by_its_last_argument() -> None:
    assert owner_in_argv(["/usr/bin/unshare", "--net", "sh", "-c", "...", "drover-lab:demo:beta"], PREFIX) == "beta"


def test_whoever_only_mentions_a_mark_is_not_ours() -> None:
    assert owner_in_argv(["grep", "drover-lab:demo:beta"], PREFIX) is None


def test_a_qemu_process_names_its_guest() -> None:
    argv = ("/usr/bin/qemu-system-x86_64", "-name", "guest=web1,debug-threads=on", "-S")
    assert Process(1, "alpha", argv, 1).guest == "web1"
    assert Process(1, "alpha", ("/usr/sbin/libvirtd", "--listen"), 1).guest is None
