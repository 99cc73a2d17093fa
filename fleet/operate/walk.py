"""The walk a person would do, done by a program: sign in, look, move a guest, and look again behind Drover's back."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from io import StringIO
from typing import Any
from uuid import uuid4

from django.core.management import call_command

from fleet.operate.laboratory import Laboratory
from fleet.operate.lines import Lines
from fleet.operate.seeding import ADMIN
from fleet.operate.visitor import Visitor
from fleet.refusals import Refused

SEEN_S = 30
MOVED_S = 180


def take(*, url: str, link: str, laboratory: Laboratory, lines: Lines) -> None:
    """Refused at the first thing that is not as it should be."""
    sign_in(Visitor(url), link)
    lines.step("sign-in", "the one-time link works once, and not twice")
    program = Visitor(url, token=token())
    about = laboratory.status()
    see_everything(program, about)
    lines.step("fleet", f"{len(about['hosts'])} hosts are up, {len(about['guests'])} guests are known")
    guest = busy_guest(program, about)
    job = move(program, guest, lines)
    lines.step("receipt", "")
    lines.text(json.dumps(job["result"], indent=2))
    verify(program, laboratory, guest, job)
    lines.step("lab", f"says so too: exactly one copy of {guest['name']} runs, on {job['result']['destination']}")


def sign_in(person: Visitor, link: str) -> None:
    """By the link, which must be of no use afterwards."""
    person.press(link)
    home = person.page("/")
    if "csrfmiddlewaretoken" in home and "sign-in" in home and "sign-out" not in home:
        raise Refused("The one-time link did not sign in: the first page asks for it again.", code="not_signed_in")
    try:
        Visitor(person.url).press(link)
    except Refused:
        return
    raise Refused("The one-time link worked twice.", code="link_works_twice")


def token() -> str:
    """For programs, made at the command line."""
    said = StringIO()
    call_command("create_token", user=ADMIN, name="demo check", days=1, stdout=said)
    return said.getvalue().strip()


def see_everything(program: Visitor, about: dict[str, Any]) -> None:
    """Every host up and every guest of the lab where the lab says it runs."""
    expected = {guest["name"]: guest["host"] for guest in about["guests"]}

    def seen() -> bool:
        hosts = program.get("/api/v1/hosts/")["results"]
        guests = program.get("/api/v1/guests/", limit=1000)["results"]
        all_up = sum(host["state"] == "up" for host in hosts) == len(about["hosts"])
        return all_up and {guest["name"] for guest in guests} >= set(expected)

    wait_for(seen, SEEN_S, "Not every host of the lab is up, or not every guest is known")


def busy_guest(program: Visitor, about: dict[str, Any]) -> dict[str, Any]:
    """A running guest that writes its memory all the time."""
    names = [guest["name"] for guest in about["guests"] if guest["temperament"] == "dirty"]
    guests = {guest["name"]: guest for guest in program.get("/api/v1/guests/", limit=1000)["results"]}
    found: dict[str, Any] = guests[names[0]]
    return found


def move(program: Visitor, guest: dict[str, Any], lines: Lines) -> dict[str, Any]:
    """To the best destination; the finished job."""
    job = program.post("/api/v1/migrations/", {"guest": guest["id"]}, **{"Idempotency-Key": str(uuid4())})
    lines.step("move", f"{job['title']} (job {job['id']})")
    deadline = time.monotonic() + MOVED_S
    while job["finished_at"] is None:
        if time.monotonic() > deadline:
            raise Refused(f"The job is still {job['state']} ({job['stage']}) after {MOVED_S} s.", code="too_slow")
        job = program.get(f"/api/v1/jobs/{job['id']}/", wait="done", timeout=10)
    if job["state"] != "succeeded":
        raise Refused(f"The job {job['state']}: {json.dumps(job['error'])}", code="not_moved")
    return dict(job)


def verify(program: Visitor, laboratory: Laboratory, guest: dict[str, Any], job: dict[str, Any]) -> None:
    """The receipt, the rows and the machine must agree."""
    destination = job["result"]["destination"]
    if not job["result"].get("single_copy"):
        raise Refused("The receipt does not prove a single copy.", code="no_proof")
    if job["result"].get("left_behind"):
        raise Refused(f"Left behind: {job['result']['left_behind']}", code="left_behind")
    seen = next(one for one in laboratory.status()["guests"] if one["name"] == guest["name"])
    if seen["running_on"] != [destination]:
        raise Refused(
            f"The receipt says {guest['name']} runs on {destination}; the lab sees it on {seen['running_on']}.",
            code="copies_differ",
        )

    def listed() -> bool:
        host = program.get(f"/api/v1/guests/{guest['id']}/")["host"]
        return destination in (host, host.get("name") if isinstance(host, dict) else None)

    wait_for(listed, SEEN_S, f"The list does not show {guest['name']} on {destination}")


def wait_for(condition: Callable[[], bool], timeout_s: float, complaint: str) -> None:
    """Until it holds; Refused after the time."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise Refused(f"{complaint} (waited {timeout_s:.0f} s).", code="too_slow")
        time.sleep(0.25)
