"""Who handles the messages of a virtual host's queues, and which of their figures are watched."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import evolve

from leveret.config.host import HostBuilder, ignored_codes
from leveret.config.model import ALERT_METRICS, Alert, RetryPolicy, Subscription
from leveret.config.quantities import format_duration
from leveret.config.source import quoted
from leveret.queues.arguments import queue_type

if TYPE_CHECKING:
    from collections.abc import Iterable

    from leveret.config.entries import AlertEntry, Entry, HostEntry, RetryEntry, SubscriptionEntry
    from leveret.config.limits import Limit

__all__ = ["MAX_CONCURRENCY", "add_alerts", "add_subscriptions"]

#: Threads or tasks of one worker: more are a mistake, such as a duration in the wrong place.
MAX_CONCURRENCY = 10_000


def add_subscriptions(builder: HostBuilder, parts: Iterable[HostEntry]) -> None:
    """Add the subscriptions of a virtual host whose queues are all declared."""
    for part in parts:
        for name, entry in (part.subscriptions or {}).items():
            if builder.merger.is_new("subscription", name, entry.node, entry):
                made = _subscription(name, entry, builder)
                builder.host.subscriptions[name] = made


def _subscription(name: str, entry: SubscriptionEntry, builder: HostBuilder) -> Subscription:
    if entry.queue is not None:
        builder.check_queue(entry.nodes["queue"], entry.queue, partitioned=True)
    if entry.dead_letter is not None:
        builder.check_queue(entry.nodes["dead_letter"], entry.dead_letter)
        if entry.dead_letter == entry.queue:
            entry.nodes["dead_letter"].fault(
                f"queue {quoted(entry.dead_letter)} is its own 'dead_letter': what fails would"
                " come back at once, for ever",
                "Name another queue.",
            )
    concurrency = _at_least_one(entry, "concurrency", entry.concurrency, 4)
    if concurrency > MAX_CONCURRENCY:
        entry.nodes["concurrency"].fault(
            f"concurrency is {concurrency:,}, and {MAX_CONCURRENCY:,} is the most",
            "Write how many handlers may work at one time.",
        )
    if entry.visibility_timeout == 0:
        entry.nodes["visibility_timeout"].fault(
            "visibility_timeout is 0: every message would come back at once",
            "Write how long a handler may take, or leave the key out.",
        )
    return Subscription(
        name,
        entry.queue or "",
        concurrency,
        _at_least_one(entry, "prefetch", entry.prefetch, 2 * concurrency),
        entry.visibility_timeout,
        None if entry.retry is None else _retry(entry.retry),
        entry.dead_letter,
        entry.node.position,
        ignored_codes(entry.lint),
    )


def _retry(entry: RetryEntry) -> RetryPolicy:
    default = RetryPolicy()
    attempts = _at_least_one(entry, "attempts", entry.attempts, default.attempts)
    first = default.first_ms if entry.first is None else entry.first
    most = max(default.max_ms, first) if entry.max is None else entry.max
    if most < first:
        key = "max" if "max" in entry.nodes else "first"
        entry.nodes[key].fault(
            f"'max' is {format_duration(most)}, less than 'first', which is"
            f" {format_duration(first)}",
            "Let 'max' be the longest wait, and 'first' the shortest.",
        )
    factor = default.factor if entry.factor is None else entry.factor
    if factor < 1:
        entry.nodes["factor"].fault(
            f"factor is {factor:g}: each wait would be shorter than the one before",
            "Write 1 for waits of one length, or more.",
        )
    jitter = default.jitter if entry.jitter is None else entry.jitter
    if jitter > 1:
        entry.nodes["jitter"].fault(
            f"jitter is {jitter:g}, and it is a share of the wait: 1 is all of it",
            "Write a number from 0 to 1, such as 0.1.",
        )
    return RetryPolicy(attempts, first, factor, most, jitter)


def _at_least_one(entry: Entry, key: str, value: int | None, default: int) -> int:
    """Return a count, or the default for what is left out; 0 is reported."""
    if value == 0:
        entry.nodes[key].fault(
            f"{key} is 0: no message would ever be handled", "Write 1 or more, or leave it out."
        )
    return value or default


def add_alerts(builder: HostBuilder, parts: Iterable[HostEntry]) -> None:
    """Add the alerts of a virtual host whose queues are all declared."""
    for part in parts:
        for name, entry in (part.alerts or {}).items():
            if builder.merger.is_new("alert", name, entry.node, entry):
                alert = _alert(name, entry, builder)
                if alert is not None:
                    _add_alert(alert, entry, builder)


def _add_alert(alert: Alert, entry: AlertEntry, builder: HostBuilder) -> None:
    """Add an alert; of a partitioned queue, one for each part, numbered as they are."""
    alerts = builder.host.alerts
    parts = builder.partitions.get(alert.queue)
    if parts is None:
        alerts[alert.name] = alert
        return
    for number, queue in enumerate(parts, 1):
        name = f"{alert.name}.{number}"
        if builder.merger.is_new("alert", name, entry.node, entry):
            alerts[name] = evolve(alert, name=name, queue=queue)


def _alert(name: str, entry: AlertEntry, builder: HostBuilder) -> Alert | None:
    given = [metric for metric in ALERT_METRICS if metric in entry.nodes]
    if len(given) != 1:
        known = ", ".join(ALERT_METRICS[:-1])
        entry.node.fault(
            f"an alert watches one figure, and this one {' and '.join(given) or 'none'}",
            f"Give it one of {known} and {ALERT_METRICS[-1]}; for more, write more alerts.",
        )
        return None
    (metric,) = given
    limit: Limit | None = getattr(entry, metric)
    if entry.queue is None or limit is None:
        return None
    builder.check_queue(entry.nodes["queue"], entry.queue, partitioned=True)
    declared = builder.host.queues.get(entry.queue)
    if metric == "lag" and declared and declared.arguments.get("x-queue-type") != "stream":
        entry.nodes[metric].fault(
            f"only the readers of a stream lag behind, and {quoted(entry.queue)} is a"
            f" {queue_type(declared.arguments)} queue",
            "Watch 'ready' or 'oldest', or make the queue a stream.",
        )
    if (limit.operator, limit.value) in ((">=", 0), ("<", 0)):
        entry.nodes[metric].fault(
            f"{metric} is {'always' if limit.operator == '>=' else 'never'}"
            f" {limit.operator} {limit.value}",
            "Correct the number.",
        )
    return Alert(
        name,
        entry.queue,
        metric,
        limit.operator,
        limit.value,
        entry.for_ or 0,
        entry.node.position,
    )
