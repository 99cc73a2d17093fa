"""A small lab and a whole Drover of the browser's own, and Chromium."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from lab import Lab
from tests.browser.chromium import PATH, chromium
from tests.with_lab.installation import Installation, until

GUESTS = ["web1:idle:alpha:shared:96", "cache1:dirty:alpha:shared:96:rate=20"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test here needs root, libvirt's own daemons and a browser."""
    for item in items:
        if "tests/browser" in str(item.path):
            item.add_marker(pytest.mark.lab)
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if not PATH.exists():
        pytest.skip(f"needs {PATH}")
    with chromium() as started:
        yield started


@pytest.fixture(scope="session")
def drover(browser: Browser) -> Iterator[Installation]:
    """Two real hosts, two guests, and every process of a Drover that knows them."""
    if os.geteuid() != 0 or shutil.which("libvirtd") is None:
        pytest.skip("needs root and libvirtd")
    lab = Lab.up(name=f"browser-{os.getpid()}", hosts=2, sites=1, guests=GUESTS)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    installation = Installation(lab, port=port)
    try:
        installation.up()
        homes = {name: guest.host for name, guest in lab.guests.items()}
        until(lambda: all(installation.where(name) == home for name, home in homes.items()), 40, "the guests are known")
        yield installation
    finally:
        installation.down()
        lab.down()
