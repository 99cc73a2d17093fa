"""Exact faults for a fake host: which call fails, how, and how often."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from fleet.hypervisor.errors import HostUnreachable, HypervisorError


@dataclass
class _Fault:
    error: HypervisorError | None
    #: None: until cleared.
    times: int | None
    #: The call takes effect first, and only then fails.
    afterwards: bool = False
    hangs: bool = False


class Faults:
    """Switches of one fake host. Call names are the Protocol's method names, or "*" for every call."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._faults: dict[str, _Fault] = {}
        self._lock = threading.Lock()
        self._release = threading.Event()

    def unreachable(self, text: str = "connection refused") -> None:
        """No call is answered until `clear`."""
        self._faults["*"] = _Fault(HostUnreachable(f"{self._host}: {text}", host=self._host), None)

    def fail_at(self, call: str, error: HypervisorError, *, times: int | None = 1) -> None:
        """`call` raises `error` and changes nothing."""
        self._faults[call] = _Fault(error, times)

    def lose_answer_of(self, call: str, *, times: int | None = 1) -> None:
        """`call` takes effect, but its caller learns only that the host went silent."""
        self._faults[call] = _Fault(
            HostUnreachable(f"{self._host}: connection lost", host=self._host), times, afterwards=True
        )

    def hang_at(self, call: str, *, times: int | None = None) -> None:
        """`call` does not return until `clear` or the fleet's `deadline_s`, and then raises HostUnreachable."""
        self._release.clear()
        self._faults[call] = _Fault(None, times, hangs=True)

    def clear(self) -> None:
        """Everything works again, and whoever hangs is let go."""
        self._faults.clear()
        self._release.set()

    @property
    def active(self) -> frozenset[str]:
        """The calls that would fail now."""
        return frozenset(self._faults)

    def around(self, call: str, work: Callable[[], object], deadline_s: float) -> object:
        """Run `work` as the switches say."""
        fault = self._take(call)
        if fault is None:
            return work()
        if fault.hangs:
            if self._release.wait(deadline_s):
                return work()
            raise HostUnreachable(f"{self._host}: no answer within {deadline_s:g} s", host=self._host)
        if fault.afterwards:
            work()
        if fault.error is None:
            raise AssertionError("a fault either hangs or raises")
        raise fault.error

    def _take(self, call: str) -> _Fault | None:
        with self._lock:
            key = call if call in self._faults else "*"
            fault = self._faults.get(key)
            if fault is not None and fault.times is not None:
                fault.times -= 1
                if fault.times <= 0:
                    del self._faults[key]
            return fault
