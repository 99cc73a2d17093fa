"""How soon a number that the worker read is at a program's socket, and on the screen of a real browser."""

from __future__ import annotations

import argparse
import time
from typing import Any

from playwright.sync_api import Page

from bench.numbers import Report
from bench.program import Ear, Program, epoch_s, listening
from bench.scene import scene
from tests.browser.chromium import chromium
from tests.with_lab.installation import until

#: Written faster than the limit carries, so that there are numbers as long as they are wanted.
GUESTS = ("cache1:dirty:alpha:shared:96:rate=20,set_mib=32",)
OPTIONS = {"bandwidth_mib_s": 4, "auto_converge": False}
SECONDS = 30.0

#: Notes each message of the job with its number, and the moment after which the page's text is another.
SPY = """(() => {
  window.spied = { told: [], shown: [], painted: [] };
  const own = window.WebSocket;
  window.WebSocket = class extends own {
    constructor(...words) {
      super(...words);
      this.addEventListener("message", ({ data }) => {
        const heard = JSON.parse(data).document?.progress?.heard_at;
        if (heard) { window.spied.now = Date.parse(heard); window.spied.told.push(Date.now() - window.spied.now); }
      });
    }
  };
  addEventListener("DOMContentLoaded", () => {
    const words = document.querySelector("[data-whole-bar]")?.closest("section");
    if (!words) return;
    new MutationObserver(() => {
      const heard = window.spied.now;
      if (!heard || heard === window.spied.last) return;
      window.spied.last = heard;
      window.spied.shown.push(Date.now() - heard);
      requestAnimationFrame(() => setTimeout(() => window.spied.painted.push(Date.now() - heard)));
    }).observe(words, { subtree: true, characterData: true, childList: true });
  });
})()"""


def run(report: Report, options: argparse.Namespace) -> None:
    """A migration that goes on until enough was seen, then is cancelled."""
    with scene("live", hosts=2, guests=GUESTS) as drover, listening(drover, "jobs") as ear, chromium() as browser:
        context = browser.new_context()
        page = context.new_page()
        page.add_init_script(SPY)
        page.goto(drover.login_link())
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(f"{drover.url}/")
        program = Program(drover)
        job = drover.move("cache1", "beta", options=OPTIONS)
        page.goto(f"{drover.url}/jobs/{job['id']}/")
        # Not wait_for_function, which the page's policy forbids.
        until(lambda: page.evaluate("window.spied.shown.length"), 30, "the page shows a number")
        ear.heard.clear()
        page.evaluate("window.spied.told.length = window.spied.shown.length = window.spied.painted.length = 0")
        page.wait_for_timeout(1000 * SECONDS)
        _tell(report, ear, page, job)
        drover.api("POST", f"jobs/{job['id']}/cancel/", {})
        began = time.monotonic()
        drover.finished(job)
        report.line("live.cancel_to_end_ms", 1000 * (time.monotonic() - began))
        program.connection.close()
        context.close()


def _tell(report: Report, ear: Ear, page: Page, job: dict[str, Any]) -> None:
    late = list(dict(_latencies(ear, job)).values())
    spied = page.evaluate("window.spied")
    report.line("live.numbers_per_second", len(spied["shown"]) / SECONDS)
    report.spread("live.read_to_program_ms", late)
    report.spread("live.read_to_browser_ms", spied["told"])
    report.spread("live.read_to_page_ms", spied["shown"], 100)
    report.spread("live.read_to_painted_ms", spied["painted"])


def _latencies(ear: Ear, job: dict[str, Any]) -> list[tuple[str, float]]:
    """Each sample's first message; a step that changes sends the last sample again."""
    found: dict[str, float] = {}
    for moment, message in list(ear.heard):
        document = message.get("document", {})
        heard = document.get("progress", {}).get("heard_at")
        if document.get("id") == job["id"] and heard:
            found.setdefault(heard, 1000 * (moment - epoch_s(heard)))
    return list(found.items())
