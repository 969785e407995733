"""Who may connect: the number of connections, and a pause for addresses that guess passwords."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define, field

if TYPE_CHECKING:
    from collections.abc import Callable

    from leveret.server.limits import ServerLimits

__all__ = ["Admission"]

#: How many addresses with refused logins are remembered; the oldest go first.
ADDRESSES_KEPT = 10_000


@define(eq=False)
class _Failures:
    """Refused logins of one address."""

    since_s: float
    count: int = 0
    paused_until_s: float = 0.0


@define(eq=False)
class Admission:
    """Decides on new connections. All operations are O(1); `now_s` is a monotonic clock."""

    limits: ServerLimits
    now_s: Callable[[], float]
    addresses_kept: int = ADDRESSES_KEPT
    # address -> its refused logins, oldest first
    _failures: dict[str, _Failures] = field(factory=dict, init=False)

    def refusal(self, address: str, connections: int) -> str:
        """Return why a client may not connect; empty where it may."""
        if connections >= self.limits.connections:
            return f"the limit of {self.limits.connections} connections is reached"
        failures = self._failures.get(address)
        if failures is not None and self.now_s() < failures.paused_until_s:
            return f"{failures.count} logins from {address} were refused"
        return ""

    def login_refused(self, address: str) -> None:
        """Count a refused login; an empty address (a Unix socket) is not counted."""
        if not address:
            return
        now_s = self.now_s()
        failures = self._failures.pop(address, None)
        if failures is None or now_s - failures.since_s > self.limits.login_window_s:
            failures = _Failures(now_s)
        failures.count += 1
        if failures.count >= self.limits.login_failures:
            failures.paused_until_s = now_s + self.limits.login_pause_s
        self._failures[address] = failures
        if len(self._failures) > self.addresses_kept:
            del self._failures[next(iter(self._failures))]

    def logged_in(self, address: str) -> None:
        """Forget the refused logins of an address: somebody there knows a password."""
        self._failures.pop(address, None)
