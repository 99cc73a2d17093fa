"""The whole walk in a real browser: sign in, look, move a running guest, and see it arrive without a reload."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, WebSocketRoute, expect

from tests.with_lab.installation import Installation, until

#: A move of a small guest under load of other tests.
MOVED_MS = 120_000


@pytest.fixture
def person(browser: Browser, drover: Installation) -> Iterator[BrowserContext]:
    """Somebody who came in by a one-time link; any fault in the page's scripts or its policy fails the test."""
    context = browser.new_context(base_url=f"http://127.0.0.1:{drover.port}")
    faults: list[str] = []
    context.on("weberror", lambda fault: faults.append(str(fault.error)))
    context.on("console", lambda said: faults.append(said.text) if "Content Security Policy" in said.text else None)
    yield context
    context.close()
    assert faults == []


def sign_in(context: BrowserContext, drover: Installation) -> Page:
    page = context.new_page()
    page.goto(drover.manage("login_link", "--user", "admin").strip())
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Fleet")).to_be_visible()
    return page


def start_moving(page: Page, guest: str) -> str:
    """From the list of guests to the job's page; the destination's name."""
    page.get_by_role("link", name="Guests", exact=True).click()
    page.get_by_role("link", name=guest, exact=True).click()
    page.get_by_role("link", name="Move to another host").click()
    page.locator("summary", has_text="Options").click()
    page.get_by_label("At most, MiB/s").fill("25")
    page.get_by_label("At most, MiB/s").blur()
    page.locator("summary", has_text="The same as an API call").click()
    expect(page.locator("#curl")).to_contain_text('"bandwidth_mib_s": 25')
    button = page.get_by_role("button", name=re.compile(f"Move {guest} to "))
    destination = button.inner_text().split(" to ")[1]
    button.click()
    page.wait_for_url("**/jobs/*/")
    return destination


def test_a_guest_moves_while_the_page_watches(person: BrowserContext, drover: Installation) -> None:
    page = sign_in(person, drover)
    expect(page.get_by_role("link", name="Move a guest now")).to_be_visible()
    expect(page.locator(".host", has_text="alpha").locator(".state")).to_have_text("up")
    source = drover.where("cache1")
    destination = start_moving(page, "cache1")
    page.evaluate("window.neverReloaded = true")
    page.evaluate(
        """() => {
            const bar = document.querySelector("[data-whole-bar]");
            window.seen = [];
            const note = () => window.seen.push(bar.getAttribute("aria-valuenow"));
            new MutationObserver(note).observe(bar, { attributes: true });
        }"""
    )
    expect(page.locator("[data-live]")).to_have_text("live")
    expect(page.locator("[data-job-state]")).to_have_text("succeeded", timeout=MOVED_MS)
    expect(page.locator("[data-receipt]")).to_be_visible()
    expect(page.locator("[data-copies]")).to_contain_text(f"{source}: absent")
    expect(page.locator("[data-copies]")).to_contain_text(f"{destination}: running")
    expect(page.locator('[data-step="memory"]')).to_have_attribute("data-state", "done")
    assert page.evaluate("window.neverReloaded") is True
    numbers = [int(number) for number in page.evaluate("window.seen") if number is not None]
    assert len(set(numbers)) > 2, "the bar moved by itself"
    assert numbers == sorted(numbers), "the bar never went back"
    expect(page.locator("[data-chart] canvas")).to_be_visible()
    job = {"id": page.url.rstrip("/").rsplit("/", 1)[1]}
    expect(page.locator("[data-log] li")).to_have_count(len(drover.events(job)))
    until(lambda: drover.where("cache1") == destination, 20, "the row follows")


def test_a_page_whose_sockets_are_blocked_reaches_the_end_by_asking(
    person: BrowserContext, drover: Installation
) -> None:
    def refuse(socket: WebSocketRoute) -> None:
        socket.close()

    person.route_web_socket(re.compile("/ws/"), refuse)
    page = sign_in(person, drover)
    start_moving(page, "cache1")
    expect(page.locator("[data-job-state]")).to_have_text("succeeded", timeout=MOVED_MS)
    expect(page.locator("[data-receipt]")).to_be_visible()
    assert page.locator("[data-live]").inner_text() in {"polling", "reconnecting"}


def test_the_list_of_guests_shows_a_move_in_its_row_and_then_the_new_host(
    person: BrowserContext, drover: Installation
) -> None:
    page = sign_in(person, drover)
    page.get_by_role("link", name="Guests", exact=True).click()
    row = page.locator("tr", has_text="cache1")
    expect(page.locator("[data-live]")).to_have_text("live")
    before = drover.where("cache1")
    other = "beta" if before == "alpha" else "alpha"
    job = drover.move("cache1", other, options={"bandwidth_mib_s": 25})
    expect(row.locator("[data-guest-job]")).to_be_visible(timeout=30_000)
    drover.finished(job)
    expect(row.locator("[data-host-link]")).to_have_text(other, timeout=20_000)
    expect(row.locator("[data-guest-job]")).to_be_hidden()


def test_a_search_narrows_the_list_without_a_reload_and_stays_in_the_address(
    person: BrowserContext, drover: Installation
) -> None:
    page = sign_in(person, drover)
    page.get_by_role("link", name="Guests", exact=True).click()
    page.evaluate("window.neverReloaded = true")
    page.get_by_label("Search guests").fill("web")
    expect(page.get_by_role("link", name="cache1", exact=True)).to_have_count(0)
    expect(page.get_by_role("link", name="web1", exact=True)).to_be_visible()
    assert "q=web" in page.url
    assert page.evaluate("window.neverReloaded") is True
