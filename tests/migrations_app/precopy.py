"""Pure: pre-copy as QEMU does it, in steps of 50 ms, steered by `convergence.decide`: what the lab shows in hours."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

from fleet.hypervisor.facts import JobSample
from migrations_app import bearings, convergence
from migrations_app.bearings import Abilities, Standing
from migrations_app.convergence import Action, Decision
from migrations_app.course import Passes
from migrations_app.terms import Terms

MIB = 1 << 20
STEP_S = 0.05
LOOK_EVERY_S = 0.25
#: QEMU's throttling: first 20 %, then 10 % more, whenever twice in a row more than half of what was sent is new.
FIRST, MORE, MOST = 20, 10, 99
#: Something is wrong with the rules when a move takes this long.
FOREVER_S = 3600.0


@dataclass(frozen=True)
class Ending:
    """How it ended."""

    how: str
    duration_s: float
    pause_ms: float
    decisions: tuple[Decision, ...]

    @property
    def actions(self) -> list[Action]:
        return [one.action for one in self.decisions]


@dataclass
class Simulation:
    """A guest of `memory_mib` that rewrites `set_mib` of it at `writes_mib_s` over a link."""

    terms: Terms
    link_mib_s: float = 24.0
    writes_mib_s: float = 0.0
    memory_mib: float = 128.0
    set_mib: float = 48.0
    disk_mib: float = 0.0
    #: The link carries only this much for the first seconds.
    slow_mib_s: float = 0.0
    slow_until_s: float = 0.0
    can_post_copy: bool = True
    #: It writes in bursts what it could not while it slept, so that slowing it down does not help.
    catches_up: bool = False
    hand_over_ms: float = 50.0

    sent: float = 0.0
    remaining: float = 0.0
    written: float = 0.0
    iteration: int = 1
    throttle: int = 0
    heavy: int = 0
    clock_s: float = 0.0
    paused_at_s: float | None = None
    period: tuple[float, float] = (0.0, 0.0)
    decisions: list[Decision] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.remaining = self.memory_mib * MIB
        self.disk_left = self.disk_mib * MIB
        self.abilities = Abilities(post_copy=self.can_post_copy, throttle=self.terms.may_throttle)
        cap = self.terms.bandwidth_mib_s
        limit = bearings.first_limit_ms(self.terms, self.abilities)
        self.standing = Standing(limit_ms=limit, bandwidth_mib_s=cap, allowed_mib_s=cap)
        self.passes = Passes()

    def run(self) -> Ending:
        """Until it has ended, one way or another."""
        next_look = LOOK_EVERY_S
        while self.clock_s < FOREVER_S:
            before = self.iteration
            if (ending := self._step()) is not None:
                return ending
            if self.iteration == before and self.clock_s < next_look:
                continue
            next_look = self.clock_s + LOOK_EVERY_S
            if (ending := self._look()) is not None:
                return ending
        return self._end("never", 0.0)

    # -- QEMU's part --------------------------------------------------------------------------------------------------

    @property
    def speed(self) -> float:
        cap = self.standing.bandwidth_mib_s
        link = self.slow_mib_s if self.clock_s < self.slow_until_s else self.link_mib_s
        return (min(link, cap) if cap else link) * MIB

    @property
    def writes(self) -> float:
        if self.paused_at_s is not None:
            return 0.0
        return self.writes_mib_s * MIB * (1 if self.catches_up else 1 - self.throttle / 100)

    def _step(self) -> Ending | None:
        self.clock_s += STEP_S
        if self.disk_left > 0:
            self.disk_left -= self.link_mib_s * MIB * STEP_S
            return None
        amount = min(self.speed * STEP_S, self.remaining)
        self.sent += amount
        self.remaining -= amount
        self.written = min(self.written + self.writes * STEP_S, self.set_mib * MIB)
        return self._sync() if self.remaining < self._threshold() else None

    def _threshold(self) -> float:
        return self.speed * self.standing.limit_ms / 1000

    def _sync(self) -> Ending | None:
        self._throttle()
        self.remaining, self.written = self.remaining + self.written, 0.0
        self.iteration += 1
        if self.remaining >= self._threshold():
            return None
        # At full speed the sockets' queues are full, else a burst of a tenth of a second is on its way.
        share = self.speed / (self.link_mib_s * MIB)
        queued = bearings.QUEUE_BYTES * 1000 / (self.link_mib_s * MIB) if share >= 0.95 else 100 * share
        pause = self.remaining / (self.link_mib_s * MIB) * 1000 + self.hand_over_ms + queued
        if self.paused_at_s is not None:
            pause += (self.clock_s - self.paused_at_s) * 1000
        self.clock_s += pause / 1000
        return self._end("finished", pause)

    def _throttle(self) -> None:
        since, sent = self.period
        if not self.abilities.throttle or self.clock_s - since < 1.0:
            return
        self.heavy = self.heavy + 1 if self.written > (self.sent - sent) / 2 else 0
        self.period = (self.clock_s, self.sent)
        if self.heavy >= 2:
            self.heavy, self.throttle = 0, min(self.throttle + MORE, MOST) if self.throttle else FIRST

    # -- Drover's part ------------------------------------------------------------------------------------------------

    def sample(self) -> JobSample:
        """What libvirt would tell."""
        disks = max(round(self.disk_left), 0)
        memory = {} if disks else {"memory_total_bytes": round(self.memory_mib * MIB), "iteration": self.iteration}
        return JobSample(
            kind="unbounded",
            operation="migration_out",
            elapsed_ms=round(self.clock_s * 1000),
            memory_processed_bytes=round(self.sent),
            memory_remaining_bytes=round(self.remaining),
            memory_rate_bytes_s=round(self.speed),
            # QEMU counts what was written at the end of a pass only.
            memory_dirty_rate_pages_s=round(self.writes / 4096) if self.iteration > 1 else 0,
            disk_total_bytes=round(self.disk_mib * MIB),
            disk_remaining_bytes=disks,
            disk_rate_bytes_s=round(self.link_mib_s * MIB) if disks else 0,
            auto_converge_throttle=self.throttle,
            **memory,
        )

    def _look(self) -> Ending | None:
        self.passes = self.passes.after(self.sample())
        decision = convergence.decide(self.passes, self.terms, self.abilities, self.standing, elapsed_s=self.clock_s)
        if decision.action is Action.WAIT:
            return None
        self.decisions.append(decision)
        return self._do(decision)

    def _do(self, decision: Decision) -> Ending | None:
        change = {
            Action.RAISE_DOWNTIME: {"limit_ms": decision.value},
            Action.LOWER_DOWNTIME: {"limit_ms": decision.value},
            Action.PACE: {"bandwidth_mib_s": decision.value, "link_bytes_s": decision.link_bytes_s},
            Action.RAISE_BANDWIDTH: {
                "bandwidth_mib_s": decision.value,
                "full_speed": not decision.probes,
                **({"probed": True, "link_bytes_s": 0} if decision.probes else {}),
                "limit_ms": decision.limit_ms,
            },
            Action.THROTTLE: {
                "throttle_percent": decision.value,
                "throttled_at_ms": round(self.clock_s * 1000),
            },
            Action.PAUSE: {"settled": bearings.PAUSED},
        }
        if decision.action in {Action.PACE, Action.RAISE_BANDWIDTH}:
            change[decision.action]["speed_since_ms"] = round(self.clock_s * 1000)
        self.standing = dataclasses.replace(self.standing, **change.get(decision.action, {}))
        if decision.action is Action.PAUSE:
            self.paused_at_s = self.clock_s
        if decision.action is Action.POST_COPY:
            rest_s = (self.remaining + self.written) / (self.link_mib_s * MIB)
            self.clock_s += rest_s
            return self._end("post-copy", self.hand_over_ms)
        return self._end("given up", 0.0) if decision.action is Action.GIVE_UP else None

    def _end(self, how: str, pause_ms: float) -> Ending:
        return Ending(how=how, duration_s=self.clock_s, pause_ms=pause_ms, decisions=tuple(self.decisions))
