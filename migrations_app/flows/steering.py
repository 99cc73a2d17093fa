"""At the helm of a running migration: ask `convergence.decide` at every look, carry it out, and obey its operators.

What is in force stands in the job's progress under "steering", so that pages, refusals and the next worker know it:
{"limit_ms", "promised_ms", "bandwidth_mib_s", "allowed_mib_s", "full_speed", "post_copy", "throttle", "settled",
"reason", "can", "why_not"}.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import Any

from fleet.hypervisor.errors import GuestNotFound, HypervisorError, NoJob
from fleet.hypervisor.facts import JobSample
from fleet.hypervisor.interface import MigrationOrder
from fleet.models import JobCommand, JobEvent
from migrations_app import bearings, convergence, steerable
from migrations_app.bearings import Abilities, Standing
from migrations_app.convergence import Action, Decision
from migrations_app.course import Passes
from migrations_app.flows.errand import Errand

#: A setter that did not come through is not tried again sooner than this.
TRY_AGAIN_S = 2.0


class Helm:
    """Steers one migration; `give_up` tells libvirt to stop it and returns whether it was told."""

    def __init__(
        self,
        errand: Errand,
        give_up: Callable[[str, str], bool],
        *,
        began: float,
        order: MigrationOrder | None = None,
    ) -> None:
        self.errand, self.terms, self._give_up, self.began = errand, errand.terms, give_up, began
        self.passes = Passes()
        self._not_before = 0.0
        self._allotted = order.bandwidth_mib_s if order else 0
        if order is None:
            self._take_over(errand.pen.job.progress.get("steering") or {})
            return
        self.abilities = Abilities(post_copy=order.post_copy, throttle=order.auto_converge)
        self.standing = Standing(
            limit_ms=order.max_downtime_ms,
            bandwidth_mib_s=order.bandwidth_mib_s,
            allowed_mib_s=order.bandwidth_mib_s,
        )
        self.live, self.tls, self.reason = order.live, order.tls, ""

    def _take_over(self, stored: dict[str, Any]) -> None:
        """Where the worker before left it."""
        self.terms = dataclasses.replace(self.terms, max_pause_ms=stored.get("promised_ms", self.terms.max_pause_ms))
        self.abilities = Abilities(post_copy=bool(stored.get("post_copy")), throttle=bool(stored.get("throttle")))
        self.live, self.reason = bool(stored.get("live", True)), str(stored.get("reason", ""))
        self.tls = bool(stored.get("tls"))
        self.standing = Standing(
            limit_ms=stored.get("limit_ms", bearings.first_limit_ms(self.terms, self.abilities)),
            bandwidth_mib_s=stored.get("bandwidth_mib_s", 0),
            allowed_mib_s=stored.get("allowed_mib_s", 0),
            link_bytes_s=stored.get("link_bytes_s", 0),
            full_speed=bool(stored.get("full_speed")),
            probed=bool(stored.get("probed")),
            settled=str(stored.get("settled", "")),
        )

    def began_weaker(self, order: MigrationOrder) -> None:
        """libvirt refused the first order and took this one."""
        self.tls = order.tls
        self.abilities = dataclasses.replace(self.abilities, post_copy=order.post_copy)

    def allotted(self, mib_s: int) -> None:
        """The move's part of the links is another one by now, and libvirt was told; pacing begins anew under it."""
        if not mib_s or mib_s == self._allotted:
            return
        self._allotted = mib_s
        changes = {"bandwidth_mib_s": mib_s, "allowed_mib_s": mib_s, "link_bytes_s": 0, "full_speed": False}
        self._set(**changes, speed_since_ms=self._elapsed_ms)

    # -- at every look ------------------------------------------------------------------------------------------------

    def look(self, sample: JobSample) -> None:
        """Decide what comes next on these numbers, and do it."""
        self.passes = self.passes.after(sample)
        now = time.monotonic()
        if not self.live or now < self._not_before:
            return
        decision = convergence.decide(
            self.passes, self.terms, self.abilities, self.standing, elapsed_s=now - self.began
        )
        self.reason = decision.reason
        if decision.action is not Action.WAIT:
            self._do(decision)

    def document(self) -> dict[str, Any]:
        """What is in force, as `progress["steering"]`."""
        can, why_not = steerable.actions(
            self.standing,
            self.abilities,
            live=self.live,
            begun=self.passes.begun,
            copies_disks=self.passes.copies_disks,
            in_first_pass=not self.passes.recent_bytes,
        )
        return {
            "limit_ms": self.standing.limit_ms,
            "promised_ms": self.terms.max_pause_ms,
            "bandwidth_mib_s": self.standing.bandwidth_mib_s,
            "allowed_mib_s": self.standing.allowed_mib_s,
            "link_bytes_s": self.standing.link_bytes_s,
            "full_speed": self.standing.full_speed,
            "probed": self.standing.probed,
            "post_copy": self.abilities.post_copy,
            "throttle": self.abilities.throttle,
            "live": self.live,
            "tls": self.tls,
            "settled": self.standing.settled,
            "reason": self.reason,
            "can": can,
            "why_not": why_not,
        }

    @property
    def in_post_copy(self) -> bool:
        """Whether the guest runs at the destination already while its memory follows."""
        return self.standing.settled == bearings.IN_POST_COPY

    # -- decisions ----------------------------------------------------------------------------------------------------

    def _do(self, decision: Decision) -> None:
        steps: dict[Action, Callable[[], bool]] = {
            Action.RAISE_DOWNTIME: lambda: self._limit(decision.value),
            Action.LOWER_DOWNTIME: lambda: self._limit(decision.value),
            Action.PACE: lambda: self._bandwidth(decision.value) and self._set(link_bytes_s=decision.link_bytes_s),
            Action.RAISE_BANDWIDTH: lambda: self._full_speed(decision),
            Action.THROTTLE: lambda: self._set(throttle_percent=decision.value, throttled_at_ms=self._elapsed_ms),
            Action.POST_COPY: self._post_copy,
            Action.PAUSE: self._pause,
            Action.GIVE_UP: lambda: self._end(decision.reason),
        }
        trouble = self._try(steps[decision.action])
        if trouble:
            self._not_before = time.monotonic() + TRY_AGAIN_S
            self.errand.pen.say(f"{decision.action}.refused", trouble, level=JobEvent.Level.WARNING)
            return
        loud = decision.action in {Action.THROTTLE, Action.GIVE_UP, Action.PAUSE, Action.POST_COPY}
        code = {Action.THROTTLE: "throttled"}.get(decision.action, f"decided.{decision.action}")
        level = JobEvent.Level.WARNING if loud else JobEvent.Level.INFO
        self.errand.pen.say(code, decision.reason, level=level, data={"value": decision.value})

    def _try(self, step: Callable[[], bool]) -> str:
        """Why it could not be done; "" when it was, or when the migration is just ending."""
        try:
            step()
        except (NoJob, GuestNotFound):
            return ""
        except HypervisorError as error:
            return f"libvirt did not do it: {error.text}"
        return ""

    @property
    def _elapsed_ms(self) -> int:
        """The migration's clock."""
        return self.passes.last.elapsed_ms if self.passes.last else 0

    def _set(self, **changes: Any) -> bool:
        self.standing = dataclasses.replace(self.standing, **changes)
        return True

    def _limit(self, milliseconds: int) -> bool:
        self.errand.source.set_max_downtime(self.errand.uuid, milliseconds)
        return self._set(limit_ms=milliseconds)

    def _bandwidth(self, mib_s: int, *, full_speed: bool = False) -> bool:
        self.errand.source.set_bandwidth(self.errand.uuid, mib_s or convergence.UNLIMITED_MIB_S)
        return self._set(bandwidth_mib_s=mib_s, full_speed=full_speed, speed_since_ms=self._elapsed_ms)

    def _full_speed(self, decision: Decision) -> bool:
        # The lower limit first: between the two calls the promise holds as well.
        done = self._limit(decision.limit_ms) and self._bandwidth(decision.value, full_speed=not decision.probes)
        return done and (not decision.probes or self._set(link_bytes_s=0, probed=True))

    def _post_copy(self) -> bool:
        # What stands in the rows comes first: a worker that takes over must know that nothing may be aborted any more.
        before = self.standing
        self._set(settled=bearings.IN_POST_COPY)
        self.errand.pen.report(self.errand.pen.job.progress | {"steering": self.document()})
        try:
            self.errand.source.start_post_copy(self.errand.uuid)
        except HypervisorError:
            self.standing = before
            raise
        return True

    def _pause(self) -> bool:
        self.errand.source.suspend(self.errand.uuid)
        return self._set(settled=bearings.PAUSED)

    def _end(self, why: str) -> bool:
        return self._give_up("hopeless", why) and self._set(settled="it was given up")

    # -- operators' wishes --------------------------------------------------------------------------------------------

    def obey(self, command: JobCommand) -> None:
        """Carry a wish out, or settle it with the reason why not."""
        _, why_not = (document := self.document())["can"], document["why_not"]
        if (reason := why_not.get(command.kind)) is not None:
            self.errand.pen.settle(command, f"not done: {reason}")
            return
        trouble = self._try(lambda: self._wish(command))
        if not trouble:
            self.errand.pen.settle(command, self._done(command))
        elif command.kind != JobCommand.Kind.CANCEL:
            self.errand.pen.settle(command, f"not done: {trouble}")

    def _wish(self, command: JobCommand) -> bool:
        wanted = command.arguments
        if command.kind == JobCommand.Kind.BANDWIDTH:
            self._bandwidth(int(wanted["mib_s"]))
            # What the link carries shows anew at this speed.
            return self._set(allowed_mib_s=int(wanted["mib_s"]), link_bytes_s=0, full_speed=False)
        if command.kind == JobCommand.Kind.DOWNTIME:
            self.terms = dataclasses.replace(self.terms, max_pause_ms=int(wanted["ms"]))
            return self._limit(bearings.limit_now_ms(self.passes, self.terms, self.abilities, self.standing))
        if command.kind == JobCommand.Kind.POST_COPY:
            return self._post_copy()
        return self._pause()

    def _done(self, command: JobCommand) -> str:
        if command.kind == JobCommand.Kind.BANDWIDTH:
            mib_s = int(command.arguments["mib_s"])
            return f"the copy may use {mib_s} MiB/s now" if mib_s else "the copy may use the whole link now"
        if command.kind == JobCommand.Kind.DOWNTIME:
            return f"a pause of up to {command.arguments['ms']} ms is allowed now"
        if command.kind == JobCommand.Kind.POST_COPY:
            return "the guest goes on at the destination and fetches the rest"
        return "the guest is stopped until the rest is there"
