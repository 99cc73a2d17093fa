"""Operators in a hurry, and people at a host's own console, do things in the middle of a move."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from tests.faults.fault import Fault
from tests.faults.scene import DESTINATION, SOURCE, Scene
from tests.with_lab.installation import until


def _cancel(scene: Scene) -> None:
    status, answer = scene.drover.api("POST", f"jobs/{scene.job['id']}/cancel/", {})
    assert status in {200, 202}, answer


def _cancel_in_vain(scene: Scene) -> None:
    """Refused at once, or with the worker's next look: there is no way back from a post-copy."""
    scene.drover.api("POST", f"jobs/{scene.job['id']}/cancel/", {})


CANCEL_IN_VAIN = Fault("an operator cancels, which cannot be done any more", _cancel_in_vain)
CANCEL = Fault("an operator cancels", _cancel)


def _together(*acts: Callable[[], Any]) -> list[Any]:
    answers: list[Any] = [None] * len(acts)

    def do(number: int) -> None:
        answers[number] = acts[number]()

    threads = [threading.Thread(target=do, args=(number,)) for number in range(len(acts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return answers


def _two_operators(scene: Scene) -> None:
    wish = lambda: scene.drover.submit(scene.guest, DESTINATION, **scene.wish)  # noqa: E731
    answers = _together(wish, wish, wish)
    assert sorted(status for status, _ in answers) == [202, 409, 409], answers
    scene.job = next(job for status, job in answers if status == 202)


TWO_OPERATORS = Fault("three operators ask for it in the same moment", _two_operators)


def _web_dies_while_asked(scene: Scene) -> None:
    """The answer is lost; the same wish with the same key is asked again."""
    key = {"Idempotency_Key": f"faults-{scene.guest}-{id(scene)}"}
    document = scene.document()

    def ask() -> Any:
        try:
            return scene.drover.api("POST", "migrations/", document, **key)
        except OSError as error:
            return None, error

    def die() -> None:
        until(lambda: scene.drover.log("web").count("POST") or True, 1, "it is asked")
        scene.drover.kill("web")

    _together(ask, die)
    scene.drover.start_web()
    first, again = ask(), ask()
    assert first[0] == 202 and again[0] in {200, 202}, (first, again)
    assert first[1]["id"] == again[1]["id"]
    scene.job = first[1]


WEB_WHILE_ASKED = Fault(
    "the web process is killed while it is asked; the wish is repeated with its key", _web_dies_while_asked
)


def virsh(words: str, *argv: str, on: str = SOURCE, check: bool = True, **notes: Any) -> Fault:
    """Somebody at the host; `{guest}` and `{address}` (of the destination) are filled in."""

    def inject(scene: Scene) -> None:
        address = scene.lab.hosts[DESTINATION].address
        filled = [word.format(guest=scene.guest, address=address) for word in argv]
        scene.notes |= notes
        scene.notes["virsh"] = scene.lab.virsh(on, *filled, check=check)

    return Fault(words, inject)


MOVE = (
    "migrate",
    "--live",
    "--p2p",
    "--persistent",
    "--undefinesource",
    "--unsafe",
    "{guest}",
    "qemu+tls://{address}/system",
)
VIRSH_MOVES = virsh("virsh moves the guest to the destination first", *MOVE)
VIRSH_MOVES_TOO = virsh("virsh wants to move the guest too", *MOVE, check=False)
VIRSH_DESTROYS = virsh("virsh destroys the guest at the source", "destroy", "{guest}")
VIRSH_REMOVES = virsh("virsh destroys and undefines the guest", "destroy {guest}; undefine {guest}", guest_removed=True)
VIRSH_UNDEFINES = virsh("virsh undefines the running guest", "undefine", "{guest}")
#: libvirt itself refuses after half a minute, or does it when the move has ended by then.
VIRSH_UNDEFINES_TOO = virsh(VIRSH_UNDEFINES.words, "undefine", "{guest}", check=False)
#: To libvirt that is a means to let the copy end (as `virsh migrate --timeout-suspend`): it runs on at the destination.
VIRSH_SUSPENDS = virsh("virsh suspends the guest", "suspend", "{guest}")


def _hot_plug(scene: Scene) -> None:
    scene.lab.exec(SOURCE, "qemu-img", "create", "-q", "-f", "qcow2", "/srv/local/extra.qcow2", "8M")
    scene.notes["files_of_others"] = ("extra.qcow2",)
    words = f"attach-disk {scene.guest} /srv/local/extra.qcow2 vdb --subdriver qcow2 --live"
    scene.lab.virsh(SOURCE, words)


HOT_PLUG = Fault("a local disk is plugged into the guest, which nothing knew of", _hot_plug)
