"""Beside a running move: how long the guest is silent as the network sees it. It never fails or holds up the move."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from fleet.hypervisor.errors import HypervisorError
from fleet.hypervisor.facts import GuestEvent
from migrations_app.echo import EchoLine, NoEcho
from migrations_app.evidence import Proof
from migrations_app.flows.errand import Errand
from migrations_app.silence import FAST_S, Echo, outage_ms, pace_s

logger = logging.getLogger(__name__)

#: Echoes remembered: more than three minutes of fast ones.
REMEMBERED = 20_000
#: The hand-over is at the end of what is looked at; a lost echo of long before is not the move's.
LOOKED_BACK_S = 120.0
#: Addresses of one guest that are tried until one answers.
TRIED = 4
#: A guest that answered before is given this long to answer again.
BACK_S = 2.0
#: A pass of memory that libvirt tells of may be the last one for this long.
ALERT_S = 5.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Outage:
    """What the network saw."""

    #: Null where it was not measured.
    milliseconds: int | None
    method: str
    outcome: Proof
    how: str


#: For a guest that was off, or a move that went through a file: nobody was there to answer all the while.
NOT_WATCHED = Outage(
    milliseconds=None, method="not measured", outcome=Proof.NOT_AVAILABLE, how="the guest was not asked for echoes"
)


class Watch:
    """A thread that asks the guest for echoes, more often when the hand-over is near."""

    def __init__(self, errand: Errand) -> None:
        self._errand = errand
        self._end = threading.Event()
        self._alert_until = 0.0
        self._echoes: deque[list[float | None]] = deque(maxlen=REMEMBERED)
        self._address = self._why_not = ""
        self._news = threading.Condition()
        self._thread = threading.Thread(target=self._run, name=f"echo-{errand.name}", daemon=True)

    def start(self) -> None:
        """Begin to ask."""
        self._thread.start()

    def stop(self) -> None:
        """Ask no more; returns at once."""
        self._end.set()

    def result(self) -> Outage:
        """What was seen until now; waits for a sign of life only of a guest that gave one before."""
        began = time.monotonic()
        with self._news:
            before = self._answered_since(0.0)
            back = before and self._news.wait_for(lambda: self._answered_since(began), BACK_S)
            seen = [(sent, answered) for sent, answered in self._echoes if sent is not None]
        echoes = [Echo(sent, answered) for sent, answered in seen if sent > began - LOOKED_BACK_S]
        self.stop()
        if not before:
            why = self._why_not or f"{self._address or 'no address'} never answered an echo"
            return Outage(milliseconds=None, method="not measured", outcome=Proof.NOT_AVAILABLE, how=why)
        if not back:
            how = f"{self._address} answered echoes before the hand-over, and not within {BACK_S:g} s after it"
            return Outage(milliseconds=None, method="not measured", outcome=Proof.FAILED, how=how)
        how = f"{self._address} answers echoes after the hand-over"
        if self._errand.adopted:
            method = "not measured: another worker began this move"
            return Outage(milliseconds=None, method=method, outcome=Proof.PROVEN, how=how)
        method = f"ICMP echo to {self._address} every {FAST_S * 1000:g} ms, longest time without a prompt answer"
        return Outage(milliseconds=outage_ms(echoes), method=method, outcome=Proof.PROVEN, how=how)

    def _answered_since(self, moment: float) -> bool:
        return any(answered is not None and (sent or 0) >= moment for sent, answered in reversed(self._echoes))

    # -- in its own thread --------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._watch()
        except NoEcho as error:
            self._why_not = str(error)
        except Exception:
            logger.exception("job %s: the guest's silence could not be measured", self._errand.migration.pk)
            self._why_not = "the measurement failed, the worker's log has the details"

    def _watch(self) -> None:
        addresses = self._addresses()
        if not addresses:
            self._why_not = "no address of the guest is known"
            return
        unsubscribe = self._listen()
        line = self._first_that_answers(addresses)
        try:
            if line is not None:
                self._ask_on(line)
        finally:
            unsubscribe()
            if line is not None:
                line.close()

    def _addresses(self) -> list[str]:
        """An operator's word first, then leases as the watcher stored them, then what the source says now."""
        guest = self._errand.migration.guest
        if guest is not None and guest.watch_address:
            return [guest.watch_address]
        known = [one for card in (guest.guest_facts().interfaces if guest else ()) for one in card.addresses]
        with suppress(HypervisorError):
            known += self._errand.source.addresses(self._errand.uuid)
        return list(dict.fromkeys(known))[:TRIED]

    def _listen(self) -> Callable[[], None]:
        def on_event(event: GuestEvent) -> None:
            if event.uuid == self._errand.uuid and event.kind == "iteration":
                self._alert_until = time.monotonic() + ALERT_S

        try:
            return self._errand.source.subscribe(on_event)
        except HypervisorError:
            return lambda: None

    def _first_that_answers(self, addresses: list[str]) -> EchoLine | None:
        lines = [EchoLine(address) for address in addresses]
        self._address = ", ".join(addresses)
        chosen: EchoLine | None = None
        sequence = 0
        while chosen is None and not self._end.is_set():
            for line in lines:
                line.ask(sequence % 65_536)
            chosen = next((line for line in lines if line.answers(wait_s=self._pace_s() / len(lines))), None)
            sequence += 1
        for line in lines:
            if line is not chosen:
                line.close()
        if chosen is not None:
            self._address = chosen.address
        return chosen

    def _ask_on(self, line: EchoLine) -> None:
        waiting: dict[int, list[float | None]] = {}
        count, due = 0, time.monotonic()
        while not self._end.is_set():
            now = time.monotonic()
            if now >= due:
                echo: list[float | None] = [now, None]
                sequence = count % 65_536
                line.ask(sequence)
                waiting[sequence] = echo
                with self._news:
                    self._echoes.append(echo)
                count, due = count + 1, now + self._pace_s()
            for sequence, at in line.answers(wait_s=due - time.monotonic()):
                if (found := waiting.pop(sequence, None)) is not None:
                    with self._news:
                        found[1] = at
                        self._news.notify_all()

    def _pace_s(self) -> float:
        if time.monotonic() < self._alert_until:
            return FAST_S
        job = self._errand.pen.job
        return pace_s(job.stage, job.progress)


@contextmanager
def watched(errand: Errand) -> Iterator[None]:
    """Ask for echoes while the block runs; `errand.outage` is what the receipt asks for the result."""
    if errand.cold:
        # A guest that is off answers nobody.
        yield
        return
    watch = Watch(errand)
    errand.outage = watch
    watch.start()
    try:
        yield
    finally:
        watch.stop()
