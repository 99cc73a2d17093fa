"""Brings Drover up with a lab of real hosts, with own hosts, or empty; or checks by itself that all of it works."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from fleet.hypervisor.hostkeys import key_file
from fleet.operate import instance, laboratory, listening, own_hosts, seeding, walk
from fleet.operate.lines import Lines, explain, log_to
from fleet.operate.places import Places
from fleet.operate.running import Ended, Processes, network_environment, prepare_database, until_ended
from fleet.refusals import Refused

NEXT = """
Drover is at {url}
Sign in once with this link (good for {minutes} minutes; `make demo` in another shell prints a new one):

    {link}

{hint}
A token for programs:  .venv/bin/python manage.py create_token --user {admin}
What every process says comes below. Ctrl-C here, or `make down` anywhere, ends everything.
"""
HINTS = {
    "lab": "Press "
    '"Move a guest now" on the first page and watch it go. Behind Drover\'s back: .venv/bin/python -m lab status',
    "hosts": "Your hosts are on the first page. Nothing on them changes until you move a guest.",
    "empty": "Add your first host on the page Hosts.",
}


class Command(BaseCommand):
    help = "Tries Drover out. Without options: a lab of four real libvirt hosts with eight guests on this machine."

    def add_arguments(self, parser: CommandParser) -> None:
        what = parser.add_mutually_exclusive_group()
        what.add_argument(
            "--check", action="store_true", help="no person: move a guest, verify it, take all down again"
        )
        what.add_argument("--hosts", default="", metavar="tls://ADDRESS,ssh://USER@ADDRESS", help="own hosts, no lab")
        what.add_argument("--empty", action="store_true", help="no hosts")
        parser.add_argument("--lab", default="", metavar="NAME", help="the lab's name (default: demo, or check)")
        parser.add_argument(
            "--listen", default="", metavar="ADDRESS:PORT", help="default: 127.0.0.1 and the first free port from 8000"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["check"] and settings.HOME.name != "check":
            self.start_again_in(settings.HOME / "check")
        try:
            with until_ended():
                Demo(options).run()
        except Ended:
            if options["check"]:
                raise CommandError("Ended before the check was done.") from None
        except instance.AlreadyRunning as refusal:
            self.show_running(refusal, options)
        except Refused as refusal:
            raise CommandError(explain(refusal)) from refusal

    def start_again_in(self, home: os.PathLike[str]) -> None:
        """A check has a home, a lab and a port of its own and leaves a running demo alone; settings are read once."""
        sys.stdout.flush()
        environment = {**os.environ, "DROVER_HOME": str(home)}
        os.execve(sys.executable, [sys.executable, *sys.argv], environment)  # noqa: S606

    def show_running(self, refusal: instance.AlreadyRunning, options: dict[str, Any]) -> None:
        """A second `make demo` is a way to get another link."""
        running = refusal.instance
        if options["check"] or running is None or not running.url:
            raise CommandError(explain(refusal)) from refusal
        self.stdout.write(f"{refusal.text}\nA new one-time link:\n\n    {seeding.login_link(running.url)}\n")


class Demo:
    """One run, from nothing to the end."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.check = options["check"]
        self.kind = "hosts" if options["hosts"] else "empty" if options["empty"] else "lab"
        self.hosts = own_hosts.parse(options["hosts"]) if options["hosts"] else []
        self.listen = options["listen"]
        self.lines = Lines()
        self.began = time.monotonic()
        self.places = Places(settings.HOME)
        name = options["lab"] or ("check" if self.check else "demo")
        self.lab = laboratory.Laboratory(self.places, name) if self.kind == "lab" else None

    def run(self) -> None:
        """Everything goes up side by side; whatever happens then, everything goes down again."""
        self.refuse_early()
        name = self.lab.name if self.lab else ""
        with instance.held(self.places, instance.Instance.mine("demo", name)):
            if self.check:
                self.empty_home()
            log_to(self.places)
            address, port = listening.choose(self.listen)
            processes = Processes(self.places, address=address, port=port)
            try:
                self.bring_up(processes, network_environment(address))
                link = seeding.login_link(processes.url)
                instance.update(self.places, url=processes.url)
                if self.check and self.lab:
                    walk.take(url=processes.url, link=link, laboratory=self.lab, lines=self.lines)
                    self.lines.text(f"\nAll good, in {time.monotonic() - self.began:.0f} s.\n")
                else:
                    self.say_what_next(processes.url, link)
                    processes.follow(self.lines)
            finally:
                self.bring_down(processes)

    def refuse_early(self) -> None:
        """What can be known before anything is started."""
        if self.lab is None:
            return
        if os.geteuid() != 0:
            raise Refused(
                "The lab makes network namespaces, and only root can.",
                code="not_root",
                remedy='Run it as root (sudo make demo), or without the lab: make demo ARGS="--empty"',
            )
        laboratory.check_keys(self.places)

    def empty_home(self) -> None:
        """A check begins with a new database and new secrets; the logs of the one before go as well."""
        for path in self.places.home.iterdir():
            if path in (self.places.run, self.places.logs, self.places.home / "secrets"):
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()

    def bring_up(self, processes: Processes, environment: dict[str, str]) -> None:
        """The lab first, because it takes longest."""
        if self.lab:
            self.lab.begin()
        prepare_database(self.places, self.lines)
        processes.start(environment)
        processes.wait()
        self.lines.step("processes", f"{', '.join(processes.names)} are up ({self.seconds})")
        if self.lab:
            self.register_lab(self.lab)
            return
        seeding.forget_lab_hosts()
        if self.hosts:
            found = seeding.own_hosts(self.hosts, self.approve)
            self.lines.step("hosts", f"{', '.join(host.name for host in found)} are registered")

    def register_lab(self, lab: laboratory.Laboratory) -> None:
        """Its keys, its sites, its hosts."""
        about = lab.wait()
        counts = f"{len(about['hosts'])} hosts at {len(about['sites'])} sites with {len(about['guests'])} guests"
        self.lines.step("lab", f"{counts} ({self.seconds})")
        laboratory.use_keys(self.places, about)
        seeding.lab_sites(about)
        found = seeding.lab_hosts(about)
        self.lines.step("hosts", f"{', '.join(host.name for host in found)} are registered ({self.seconds})")
        if seeding.wait_for_shared_folders(about):
            self.lines.step("storage", f"it is proven which folders they share ({self.seconds})")

    def approve(self, host: own_hosts.OwnHost, shown: Mapping[str, Any]) -> bool:
        """Whether the person at the terminal says so; nobody there means no."""
        if not sys.stdin.isatty():
            return False
        self.lines.text(f"\n  {host.name} shows the ssh host key {shown['fingerprint']}")
        self.lines.text(f"  Compare it on the host: ssh-keygen -lf {key_file(shown['key'])}")
        return input("  Is it the same? [y/N] ").strip().lower() in ("y", "yes")

    def say_what_next(self, url: str, link: str) -> None:
        """The address, the way in, and what to try."""
        self.lines.step("ready", f"after {self.seconds}")
        self.lines.text(
            NEXT.format(url=url, link=link, minutes=seeding.LINK_MINUTES, hint=HINTS[self.kind], admin=seeding.ADMIN)
        )

    def bring_down(self, processes: Processes) -> None:
        """First Drover, then what it looked at."""
        processes.end()
        self.lines.step("processes", "have ended")
        if self.lab:
            self.lab.down()
            laboratory.forget_keys(self.places)
            self.lines.step("lab", "is gone")
        instance.forget(self.places)

    @property
    def seconds(self) -> str:
        """Since the start."""
        return f"{time.monotonic() - self.began:.1f} s"
