"""Takes a picture of every page of a running Drover, light and dark, wide and on a phone.

python -m tests.browser.screenshots --out /tmp/pictures [--only job]     of a fleet on paper (`scene.py`)
python -m tests.browser.screenshots --out /tmp/pictures --link http://127.0.0.1:8000/sign-in/TOKEN/
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urljoin

from playwright.sync_api import BrowserContext, Page

from tests.browser.chromium import chromium
from tests.browser.scene import scene

SIZES = {"wide": (1440, 900), "phone": (390, 844)}
STATES = ("running", "unknown", "queued", "succeeded", "failed", "cancelled")


def pages(page: Page, base: str) -> Iterator[tuple[str, str]]:
    """(name, path) of every page that this fleet has something to show on."""
    yield from (("home", "/"), ("hosts", "/hosts/"), ("host-add", "/hosts/add/"), ("guests", "/guests/"))
    yield from (("jobs", "/jobs/"), ("sites", "/sites/"), ("tokens", "/tokens/"), ("audit", "/audit/"), ("404", "/no/"))
    if host := first(page, base + "/hosts/", "td a.name"):
        yield from (("host", host), ("host-edit", f"{host}edit/"))
    if guest := first(page, base + "/guests/?state=running", "td a.name"):
        yield ("guest", guest)
    if migrate := first(page, base + "/", ".does a[href$='/migrate/']"):
        yield ("migrate", migrate)
    if forum := first(page, base + "/guests/?q=forum", "td a.name"):
        yield ("migrate-changed", f"{forum}migrate/?storage=auto&map=north+to+south")
    yield from (("maps", "/maps/"), ("map-add", "/maps/add/"), ("quarantine", "/quarantine/"))
    yield from (("policies", "/policies/"), ("policy-add", "/policies/add/"))
    if together := first(page, base + "/jobs/?q=guests", "td a.name"):
        yield ("job-together", together)
    if map_edit := first(page, base + "/maps/", "td a[href^='/maps/']"):
        yield ("map-edit", map_edit)
    for state in STATES:
        if job := first(page, f"{base}/jobs/?state={state}", "td a.name"):
            yield (f"job-{state}", job)


def first(page: Page, url: str, selector: str) -> str | None:
    """Where the first matching link on a page leads."""
    page.goto(url)
    link = page.query_selector(selector)
    return link.get_attribute("href") if link else None


def take(context: BrowserContext, base: str, targets: list[tuple[str, str]], out: Path, look: str) -> None:
    """One picture of each page in one look."""
    page = context.new_page()
    page.on("console", lambda said: print(f"{look} {page.url}: {said.text}") if said.type == "error" else None)
    page.on("pageerror", lambda error: print(f"{look} {page.url}: {error}"))
    for name, path in targets:
        page.goto(base + path)
        # What is folded away is looked at, too.
        page.evaluate("for (const part of document.querySelectorAll('details')) part.open = true")
        page.wait_for_timeout(400)
        page.screenshot(path=out / f"{name}-{look}.png", full_page=True)


def main() -> None:
    """Read the wishes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--link", default="", help="a fresh one-time link: manage.py login_link --user NAME")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", default="", help="only pages whose name begins so")
    parser.add_argument("--looks", default="wide-light,wide-dark,phone-light,phone-dark")
    wanted = parser.parse_args()
    wanted.out.mkdir(parents=True, exist_ok=True)
    with ExitStack() as ending:
        link = wanted.link or ending.enter_context(scene())
        # Django's ORM and Playwright's loop do not like one thread; the scene is furnished by now.
        with ThreadPoolExecutor(1) as studio:
            studio.submit(shoot, link, wanted).result()


def shoot(link: str, wanted: argparse.Namespace) -> None:
    """Sign in once, then take every picture."""
    base = urljoin(link, "/").rstrip("/")
    with chromium() as browser:
        stranger = browser.new_context(viewport={"width": 1440, "height": 900})
        page = stranger.new_page()
        page.goto(base + "/sign-in/")
        page.screenshot(path=wanted.out / "sign-in-wide-light.png")
        page.goto(link)
        page.screenshot(path=wanted.out / "login-link-wide-light.png")
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(base + "/")
        targets = [target for target in pages(page, base) if target[0].startswith(wanted.only)]
        session = stranger.storage_state()
        for look in wanted.looks.split(","):
            size, scheme = look.split("-")
            width, height = SIZES[size]
            viewport = {"width": width, "height": height}
            context = browser.new_context(viewport=viewport, color_scheme=scheme, storage_state=session)
            take(context, base, targets, wanted.out, look)
            context.close()


if __name__ == "__main__":
    main()
