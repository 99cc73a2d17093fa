"""Hosts come in over REST: over ssh with an approved key, and refused in words."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab import Lab
from tests.with_lab.installation import Installation, until


@pytest.fixture
def without_gamma(drover: Installation, real_lab: Lab) -> Iterator[Installation]:
    """gamma is not a host of the fleet; afterwards it is again, over tls."""
    _remove(drover, "gamma")
    yield drover
    if any(host["name"] == "gamma" for host in drover.get("hosts/")["results"]):
        _remove(drover, "gamma")
    gamma = real_lab.hosts["gamma"]
    status, answer = drover.api(
        "POST",
        "hosts/",
        {"name": "gamma", "address": gamma.address, "transport": "tls", "port": gamma.port, "site": gamma.site},
    )
    assert status == 201, answer


def _remove(drover: Installation, name: str) -> None:
    host = drover.host(name)
    status, answer = drover.api("DELETE", f"hosts/{host['id']}/", If_Match="*")
    assert status == 204, answer


def test_an_ssh_host_is_added_after_its_key_was_approved_and_takes_a_guest(
    without_gamma: Installation, real_lab: Lab
) -> None:
    drover, gamma = without_gamma, real_lab.hosts["gamma"]
    wish = {"name": "gamma", "address": gamma.address, "transport": "ssh", "username": "root", "site": gamma.site}
    status, answer = drover.api("POST", "hosts/", wish)
    assert (status, answer["code"]) == (422, "host_key_unknown")
    assert answer["data"]["fingerprint"].startswith("SHA256:")
    status, answer = drover.api("POST", "hosts/", wish | {"ssh_host_key": answer["data"]["key"]})
    assert status == 201, answer
    assert answer["memory_mib"] > 0
    ended = drover.finished(drover.move("web1", "gamma"))
    assert ended["state"] == "succeeded", ended
    assert real_lab.running_copies("web1") == ["gamma"]
    back = drover.finished(drover.move("web1", "alpha"))
    assert back["state"] == "succeeded", back


def test_the_same_machine_over_another_transport_is_refused_and_named(drover: Installation, real_lab: Lab) -> None:
    beta = real_lab.hosts["beta"]
    wish = {"name": "beta-again", "address": beta.address, "transport": "ssh", "username": "root"}
    status, answer = drover.api("POST", "hosts/", wish)
    assert (status, answer["code"]) == (422, "host_key_unknown")
    status, answer = drover.api("POST", "hosts/", wish | {"ssh_host_key": answer["data"]["key"]})
    assert status == 422, answer
    assert "beta" in answer["detail"]
    assert len(drover.get("hosts/")["results"]) == 3


def test_an_address_where_nobody_listens_is_refused_in_words(drover: Installation, real_lab: Lab) -> None:
    beta = real_lab.hosts["beta"]
    wish = {"name": "nobody", "address": beta.address, "transport": "tls", "port": 9}
    status, answer = drover.api("POST", "hosts/", wish)
    assert (status, answer["code"]) == (422, "host_unreachable"), answer
    assert beta.address in answer["detail"]


def test_a_port_where_something_else_listens_is_refused_in_words(drover: Installation, real_lab: Lab) -> None:
    beta = real_lab.hosts["beta"]
    wish = {"name": "not-libvirt", "address": beta.address, "transport": "tls", "port": beta.ssh_port}
    status, answer = drover.api("POST", "hosts/", wish)
    assert status == 422, answer
    assert answer["detail"] and "Traceback" not in answer["detail"]


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "localhost", "169.254.169.254", "beta?command=x", "-oProxyCommand=x", "a b"]
)
def test_an_address_that_leads_astray_is_refused_before_anybody_is_asked(drover: Installation, address: str) -> None:
    status, answer = drover.api("POST", "hosts/", {"name": "astray", "address": address, "transport": "tls"})
    assert status in {400, 422}, answer
    assert "address" in str(answer["errors"]) or "address" in answer["detail"].lower(), answer


def test_the_rows_say_what_the_lab_says(drover: Installation, real_lab: Lab) -> None:
    alpha = drover.host("alpha")
    assert alpha["uuid"] == real_lab.hosts["alpha"].uuid
    assert {pool["name"] for pool in alpha["pools"]} >= {"shared", "local"}
    shared = next(pool for pool in alpha["pools"] if pool["name"] == "shared")
    until(
        lambda: (
            {real_lab.hosts["alpha"].uuid, real_lab.hosts["beta"].uuid}
            <= set(next(pool for pool in drover.host("alpha")["pools"] if pool["name"] == "shared")["markers"])
        ),
        30,
        f"alpha's shared folder is proven to be beta's: {shared}",
    )
