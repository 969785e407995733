"""Alerts: figures of queues that are watched, as a topology file's `alerts` say.

Looked at every second on the broker's clock, and not at all where there is no alert. An alert whose
figure compares as it says is pending; when that held for as long as it says, it fires; when it no
longer holds, a firing one is resolved.
"""

from __future__ import annotations

import logging
import operator
from typing import TYPE_CHECKING, Literal

from attrs import define, field

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from leveret.config import Alert
    from leveret.engine.broker import Broker
    from leveret.queues.statistics import QueueStatistics

__all__ = ["INTERVAL_MS", "AlertState", "Alerts"]

AlertState = Literal["pending", "firing", "resolved"]

#: How often figures are looked at, in milliseconds.
INTERVAL_MS = 1000

_COMPARE: dict[str, Callable[[int, int], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
}

logger = logging.getLogger("leveret.alerts")


@define(eq=False)
class Alerts:
    """Watches the queues of a virtual host.

    `on_alert(alert, state, value)` is called when an alert fires and when it is resolved, in a turn
    of the broker: keep it short. The value is the figure; None where the queue is gone. Both are
    logged too, by `leveret.alerts`.
    """

    broker: Broker
    alerts: Iterable[Alert]
    on_alert: Callable[[Alert, AlertState, int | None], object] | None = None
    virtual_host: str = "/"
    interval_ms: int = INTERVAL_MS
    # alert -> since when it holds, in ms; those that hold only
    _since_ms: dict[str, int] = field(factory=dict, init=False)
    # names of those that fire
    _firing: set[str] = field(factory=set, init=False)
    _timer: tuple[int, int] | None = field(default=None, init=False)

    def start(self) -> None:
        """Begin to watch; nothing is done where there is no alert."""
        self.alerts = tuple(self.alerts)
        if self.alerts:
            self.broker.keep_ages()
            self._look()

    def stop(self) -> None:
        """Watch no more."""
        if self._timer is not None:
            self.broker.timers.cancel(self._timer)
            self._timer = None

    @property
    def states(self) -> dict[str, AlertState]:
        """The alerts that are pending or firing, by name."""
        return {name: "firing" if name in self._firing else "pending" for name in self._since_ms}

    def _look(self) -> None:
        now_ms = self.broker.clock.now_ms()
        self._timer = self.broker.timers.call_at(now_ms + self.interval_ms, self._look)
        for alert in self.alerts:
            self._judge(alert, self._value(alert), now_ms)

    def _value(self, alert: Alert) -> int | None:
        host = self.broker.virtual_hosts.get(self.virtual_host)
        queue = host.queues.get(alert.queue) if host is not None else None
        return None if queue is None else figure(queue.statistics(), alert.metric)

    def _judge(self, alert: Alert, value: int | None, now_ms: int) -> None:
        if value is None or not _COMPARE[alert.operator](value, alert.threshold):
            self._since_ms.pop(alert.name, None)
            if alert.name in self._firing:
                self._firing.remove(alert.name)
                self._tell(alert, "resolved", value)
            return
        since_ms = self._since_ms.setdefault(alert.name, now_ms)
        if now_ms - since_ms >= alert.for_ms and alert.name not in self._firing:
            self._firing.add(alert.name)
            self._tell(alert, "firing", value)

    def _tell(self, alert: Alert, state: AlertState, value: int | None) -> None:
        level = logging.WARNING if state == "firing" else logging.INFO
        said = f"{alert.metric} {alert.operator} {alert.threshold}"
        logger.log(
            level, "alert %s is %s: queue '%s' %s, %s", alert.name, state, alert.queue, said, value
        )
        if self.on_alert is not None:
            try:
                self.on_alert(alert, state, value)
            except Exception:
                logger.exception("the callback for alert %s failed", alert.name)


def figure(queue: QueueStatistics, metric: str) -> int:
    """Return the figure of a queue that an alert watches; `oldest` is in milliseconds."""
    match metric:
        case "oldest":
            return queue.oldest_age_ms or 0
        case "lag":
            return queue.stream.lag if queue.stream is not None else 0
        case "redeliveries":
            return queue.redelivered
        case "consumers":
            return len(queue.consumers)
        case _:  # ready, unacked, messages, dead_letters
            value: int = getattr(queue, metric)
            return value
