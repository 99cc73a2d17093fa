"""The command line: words in, one call on a Lab, words out."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from typing import Any

from lab import holders, raising
from lab.fleet import Lab
from lab.places import known_labs
from lab.plan import BadPlan
from lab.processes import LabError

SIGNALS = ("KILL", "TERM", "STOP", "CONT", "INT", "HUP")


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code 0, or 1 with one sentence on stderr."""
    options = parser().parse_args(argv)
    try:
        return options.work(options) or 0
    except (LabError, BadPlan) as problem:
        print(f"lab: {problem}", file=sys.stderr)
        return 1


def parser() -> argparse.ArgumentParser:
    """All commands; every one takes --name."""
    top = argparse.ArgumentParser(prog="python -m lab", description=__doc__)
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    def command(work: Any, words: str, *arguments: str, name: str | None = None) -> argparse.ArgumentParser:
        one = commands.add_parser(name or work.__name__.strip("_").replace("_", "-"), help=words)
        one.add_argument("--name", default=os.environ.get("DROVER_LAB", "demo"), help="which lab (default: demo)")
        for argument in arguments:
            one.add_argument(argument.rstrip("?"), nargs="?" if argument.endswith("?") else None)
        one.set_defaults(work=work)
        return one

    add_up(command(up, "bring the lab up, or heal it"))
    command(down, "leave nothing of it")
    command(status, "what is there").add_argument("--json", action="store_true")
    command(labs, "all labs of this machine", name="list")
    command(guests, "the guests, and where they run")
    reset_options = command(reset, "every guest back at its first host, every fault gone")
    reset_options.add_argument("--hard", action="store_true", help="also the ones that never moved")
    cut_options = command(cut, "drop traffic of a host, or between two", "host", "other?")
    cut_options.add_argument("--from-manager", action="store_true", help="only between the manager and the host")
    cut_options.add_argument("--port", type=int, help="between two, only connections to this TCP port")
    cut_options.add_argument("--loss", type=int, default=100, metavar="PERCENT", help="drop only so many packets")
    command(heal, "take cuts back", "host?", "other?")
    add_kill(command(kill, "signal a host's processes (default: its libvirtd)", "host"))
    command(stop, "freeze a host's libvirtd (SIGSTOP)", "host")
    command(cont, "let it go on", "host")
    command(restart, "start a host's libvirtd again", "host")
    link_options = command(link, "change the speed between two sites", "source", "target")
    link_options.add_argument("--mbit", type=int, required=True)
    command(fill, "leave little room in a host's local pool", "host").add_argument("--leave-mib", type=int, default=8)
    command(unfill, "give it back", "host")
    hold_options = command(hold, "make a host's libvirtd wait at a hook", "host", "guest?")
    hold_options.add_argument("--at", default="prepare", help="migrate, prepare, start, started, release, stopped")
    command(release, "let it go on", "host")
    command(dirty, "change how fast a guest dirties its memory (MiB/s)", "guest", "rate")
    command(ask, "one line about itself from a guest", "guest")
    command(check_counter, "prove that no acknowledged write was lost", "guest")
    command(check_memory, "prove that no write to a dirty guest's memory was lost", "guest")
    command(serial, "the guest's serial log", "guest")
    command(virsh, "virsh inside a host", "host").add_argument("argv", nargs=argparse.REMAINDER)
    command(exec_, "a command inside a host", "host").add_argument("argv", nargs=argparse.REMAINDER)
    return top


def add_up(one: argparse.ArgumentParser) -> None:
    """What `up` takes."""
    one.add_argument("--hosts", type=int, default=4)
    one.add_argument("--sites", type=int)
    one.add_argument("--guests", type=int, default=8, help="how many of the usual ones")
    one.add_argument("--guest", action="append", metavar="NAME:TEMPER:HOST[:POOL[:MIB[:k=v,...]]]")
    one.add_argument("--link-mbit", type=int, default=200, help="between sites")
    one.add_argument("--site-mbit", type=int, default=1000, help="to each host")
    one.add_argument("--local-size", type=int, default=1024, metavar="MIB", help="of each host's local pool")
    one.add_argument("--json", action="store_true")


def add_kill(one: argparse.ArgumentParser) -> None:
    """What `kill` takes."""
    which = one.add_mutually_exclusive_group()
    which.add_argument("--daemon", action="store_true", help="libvirtd (the default)")
    which.add_argument("--qemu", metavar="GUEST")
    which.add_argument("--all", action="store_true", help="everything: a power cut")
    one.add_argument("--signal", choices=SIGNALS, default="KILL")


def show(value: Any) -> None:
    """As JSON."""
    print(json.dumps(value, indent=1))


def up(o: argparse.Namespace) -> None:
    """Bring it up."""
    begun = time.monotonic()
    lab = Lab.up(o.name, o.hosts, o.sites, o.guest or o.guests, o.link_mbit, o.site_mbit, o.local_size)
    if o.json:
        show(lab.describe())
    else:
        print(f"lab {lab.name} is up ({time.monotonic() - begun:.1f} s)")
        status(argparse.Namespace(name=o.name, json=False))


def down(o: argparse.Namespace) -> None:
    """Also removes what a killed run left."""
    raising.lower_lab(o.name)


def labs(o: argparse.Namespace) -> None:
    """One name per line."""
    for name in known_labs():
        print(name)


def status(o: argparse.Namespace) -> None:
    """A table for people, or everything as JSON."""
    about = Lab.open(o.name).describe()
    if o.json:
        show(about)
        return
    health = "up" if about["up"] else "BROKEN"
    print(f"{about['name']}: {health}, {about['subnet']}, manager {about['manager_address']}")
    for one in about["hosts"]:
        daemon = f"libvirtd {one['pid']}" if one["pid"] else "libvirtd DEAD"
        here = " ".join(g["name"] for g in about["guests"] if one["name"] in g["running_on"])
        print(f"  {one['name']:8} {one['site']:6} {one['address']:14} {daemon:15} {here}")
    for cut_ in about["cuts"]:
        port = f", port {cut_['port']}" if cut_.get("port") else ""
        print(f"  cut: {cut_['host']} from {cut_['other'] or 'everybody'}{port}, {cut_['loss_percent']} %")


def guests(o: argparse.Namespace) -> None:
    """One line each."""
    for g in Lab.open(o.name).describe()["guests"]:
        where = ",".join(g["running_on"]) or "off"
        print(f"{g['name']:10} {g['temperament']:8} {where:8} {g['pool']:7} {g['address']:15} {g['uuid']}")


def reset(o: argparse.Namespace) -> None:
    """Back to the beginning."""
    Lab.open(o.name).reset(hard=o.hard)


def cut(o: argparse.Namespace) -> None:
    """A cut."""
    Lab.open(o.name).cut(o.host, "manager" if o.from_manager else o.other, loss_percent=o.loss, port=o.port)


def heal(o: argparse.Namespace) -> None:
    """Its end."""
    Lab.open(o.name).heal(o.host, o.other)


def kill(o: argparse.Namespace) -> None:
    """Any signal to libvirtd, a QEMU or everything."""
    number = signal.Signals[f"SIG{o.signal}"]
    daemon = o.daemon or not (o.qemu or o.all)
    hit = Lab.open(o.name).kill(o.host, daemon=daemon, qemu=o.qemu, everything=o.all, number=number)
    print(f"{hit} processes")


def stop(o: argparse.Namespace) -> None:
    """A hanging daemon."""
    Lab.open(o.name).kill(o.host, daemon=True, number=signal.SIGSTOP)


def cont(o: argparse.Namespace) -> None:
    """It goes on."""
    Lab.open(o.name).kill(o.host, daemon=True, number=signal.SIGCONT)


def restart(o: argparse.Namespace) -> None:
    """Daemons."""
    Lab.open(o.name).restart(o.host)


def link(o: argparse.Namespace) -> None:
    """Speed."""
    Lab.open(o.name).link(o.source, o.target, o.mbit)


def fill(o: argparse.Namespace) -> None:
    """No room."""
    Lab.open(o.name).fill(o.host, o.leave_mib)


def unfill(o: argparse.Namespace) -> None:
    """Room."""
    Lab.open(o.name).unfill(o.host)


def hold(o: argparse.Namespace) -> None:
    """Wait at a hook."""
    Lab.open(o.name).hold(o.host, o.guest, at=o.at)


def release(o: argparse.Namespace) -> None:
    """No more."""
    Lab.open(o.name).release(o.host)


def dirty(o: argparse.Namespace) -> None:
    """Faster or slower."""
    print(Lab.open(o.name).dirty(o.guest, int(o.rate)))


def ask(o: argparse.Namespace) -> None:
    """Alive?"""
    print(Lab.open(o.name).ask(o.guest))


def check_counter(o: argparse.Namespace) -> int:
    """Exit code 1 if something was lost."""
    verdict = Lab.open(o.name).check_counter(o.guest)
    print(verdict)
    return 0 if verdict.ok else 1


def check_memory(o: argparse.Namespace) -> int:
    """0 only if no page lost a write."""
    stale = Lab.open(o.name).check_memory(o.guest)
    print(f"NOT OK: {stale} pages have lost a write" if stale else "ok: no page has lost a write")
    return 1 if stale else 0


def serial(o: argparse.Namespace) -> None:
    """All of it."""
    print(Lab.open(o.name).serial(o.guest), end="")


def virsh(o: argparse.Namespace) -> None:
    """Takes over this process, so that the terminal is virsh's."""
    become(o, ["virsh", "--connect", "qemu:///system", *o.argv])


def exec_(o: argparse.Namespace) -> None:
    """Any command."""
    become(o, o.argv)


def become(o: argparse.Namespace, argv: list[str]) -> None:
    """Replace this process by a command inside the host."""
    lab = Lab.open(o.name)
    inside = holders.entered(lab.name, lab.known(o.host), argv)
    sys.stdout.flush()
    os.execvp(inside[0], inside)
