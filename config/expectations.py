"""`expect`: routes that must hold, tried on the exchanges of the file, and time on its queues.

A published message is routed and the queues compared. Where chance decides (`x-random`), every
queue that may get the message counts.

For what expires, a message stands in a queue and nobody takes it. When its time is over it goes
the way of dead letters, into the next queue, and waits there; the queues that hold it after the
time given are compared. A queue without TTL lets it wait for ever, save for the first: there the
message is taken to carry an expiration of its own, that time. Without a time it is followed to
where it stays.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

from attrs import define, field

from leveret.config.coverage import shared_key
from leveret.config.findings import EXPECTATION
from leveret.config.lint_host import HostLint, named
from leveret.config.quantities import format_duration
from leveret.config.source import quoted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from leveret.config.model import Expectation
    from leveret.config.view import HostView

__all__ = ["run_expectations"]

_REMEDY = "Correct the topology, or what is expected of it."

#: Queues that one message, copied at each step, is followed into.
MAX_STOPS = 1_000

#: Failures of one virtual host whose route is shown: the first ones tell the story.
MAX_TRACES = 20

#: Bindings that those routes are explained by, together: each says why it does not take a message,
#: at up to a fifth of a millisecond.
MAX_TRACED_BINDINGS = 10_000

#: What routing a message may come to for its route to be shown, and for its queues to be compared.
MAX_TRACED_WORK = 20_000

#: Bindings that the messages of all expectations of a virtual host may come to, about a second of
#: work; a thousand expectations of messages that five queues get come to some ten thousand.
MAX_ROUTED = 300_000

#: Lines shown of a route.
_MOST_LINES = 40

#: Pairs of bindings compared to see whether the queues expected can ever get the same message.
_MOST_COMPARISONS = 2_000


def run_expectations(lint: HostLint) -> None:
    """Report each expectation of a virtual host that does not hold."""
    if not lint.wants(EXPECTATION):
        return
    traces = MAX_TRACED_BINDINGS // (len(lint.view.host.bindings) or 1)
    traces = min(max(traces, 1), MAX_TRACES)
    failures = 0
    for number, expectation in enumerate(lint.expectations):
        if lint.view.routes.work > MAX_ROUTED:
            lint.report(
                EXPECTATION,
                expectation,
                f"{len(lint.expectations) - number:,} expectations from here on were not tried:"
                f" the messages of those before come to more than {MAX_ROUTED:,} bindings",
                "Expect less of exchanges with many bindings, or split the file.",
            )
            return
        if expectation.expires_queue is not None:
            _check_expiry(lint, expectation, expectation.expires_queue)
        else:
            failures += _check_publish(lint, expectation, with_trace=failures < traces)


def _check_publish(lint: HostLint, expected: Expectation, *, with_trace: bool) -> bool:
    """Report a published message that goes elsewhere; return whether it does."""
    view, exchange = lint.view, expected.exchange or ""
    key, headers = expected.routing_key, expected.headers
    work = view.routes.work
    reached, refusal = view.routes.published(exchange, key, headers)
    with_trace = with_trace and view.routes.work - work <= MAX_TRACED_WORK
    what = f"a message to {_exchange(exchange)}"
    declared = view.exchanges.get(exchange)
    if key or (declared is not None and declared.routes_as in ("direct", "topic")):
        what += f" with key {quoted(key)}"
    if refusal:
        message = f"RabbitMQ refuses {what}: {refusal}"
        lint.report(EXPECTATION, expected, message, _REMEDY)
    elif not _are_those(view, reached, expected):
        lint.report(
            EXPECTATION,
            expected,
            f"{what} should reach {_queues(expected.reaches)}, but reaches {_queues(reached)}",
            (_never_together(view, expected) if with_trace else "") or _REMEDY,
            _route(view, expected) if with_trace else "",
        )
        return True
    return bool(refusal)


def _are_those(view: HostView, reached: Iterable[str], expected: Expectation) -> bool:
    """Say whether the queues reached are those expected; any part stands for its queue."""
    wanted = set(expected.reaches)
    whole = view.partitioned_queue
    found = {whole[one] if whole.get(one) in wanted else one for one in reached}
    return found == wanted


def _route(view: HostView, expected: Expectation) -> str:
    trace = view.routes.explain(expected.exchange or "", expected.routing_key, expected.headers)
    lines = str(trace).splitlines()
    if len(lines) > _MOST_LINES:
        hidden = len(lines) - _MOST_LINES
        lines[_MOST_LINES - 1 : -1] = [f"… and {hidden + 1} more lines"]
    return "\n".join(lines)


def _never_together(view: HostView, expected: Expectation) -> str:
    """Say which of the queues expected can never get the same message, if any cannot."""
    exchange = expected.exchange or ""
    declared = view.exchanges.get(exchange)
    if declared is None or declared.routes_as != "topic":
        return ""
    bindings = {
        queue: [one for one in view.to_queue.get(queue, ()) if one.source == exchange]
        for queue in expected.reaches[:10]
    }
    beyond = view.all_onward(view.onward(exchange))
    queues = [
        queue
        for queue, found in bindings.items()
        if found and not any(one.source in beyond for one in view.to_queue[queue])
    ]
    comparisons = _MOST_COMPARISONS
    for i, one in enumerate(queues):
        for other in queues[i + 1 :]:
            comparisons -= len(bindings[one]) * len(bindings[other])
            if comparisons >= 0 and shared_key(bindings[one], bindings[other]) is None:
                return (
                    f"No key reaches both {named([one, other])} from exchange {quoted(exchange)}:"
                    " change a binding, or expect one of them."
                )
    return ""


def _exchange(name: str) -> str:
    return f"exchange {quoted(name)}" if name else "the default exchange"


def _queues(names: list[str] | tuple[str, ...]) -> str:
    return named(list(names), 10) if names else "no queue"


# --- what expires


@define(order=True)
class _Stop:
    """A message in a queue, since some time, with its keys and the queues it died in."""

    since_ms: int
    number: int  # in the order of arrival, so that ties are settled
    queue: str = field(order=False)
    keys: tuple[str, ...] = field(order=False)
    died_in: tuple[str, ...] = field(order=False)


@define(eq=False)
class _Journey:
    """Follows one message through queues while time passes."""

    view: HostView
    expected: Expectation
    waits: list[_Stop] = field(factory=list)
    lines: list[str] = field(factory=list)
    # queue -> None: those where the message stays
    rests: dict[str, None] = field(factory=dict)
    count: int = 0

    def run(self) -> None:
        """Follow the message from the first queue to where it stays, or until the time is over."""
        queue = self.expected.expires_queue or ""
        self._arrive(0, queue, (self.expected.routing_key or queue,), ())
        while self.waits and self.count < MAX_STOPS:
            self._leave(heapq.heappop(self.waits))

    def _arrive(
        self, now_ms: int, queue: str, keys: tuple[str, ...], died_in: tuple[str, ...]
    ) -> None:
        self.count += 1
        heapq.heappush(self.waits, _Stop(now_ms, self.count, queue, keys, died_in))

    def _leave(self, stop: _Stop) -> None:
        self.view.routes.work += 10 + len(stop.died_in) // 10
        settings = self.view.settings[stop.queue]
        until_ms = self.expected.expires_after_ms
        ttl_ms = settings.message_ttl_ms
        if ttl_ms is None and not stop.died_in:
            ttl_ms = until_ms or 0
        if ttl_ms is None or (until_ms is not None and stop.since_ms + ttl_ms > until_ms):
            self.rests[stop.queue] = None
            why = "for ever: nothing expires there"
            if ttl_ms is not None:
                why = f"until {format_duration(stop.since_ms + ttl_ms)}"
            self._say(stop.since_ms, f"waits in queue {quoted(stop.queue)} {why}")
            return
        now_ms = stop.since_ms + ttl_ms
        exchange = settings.dead_letter_exchange
        what = f"expires in queue {quoted(stop.queue)}"
        if exchange is None:
            self._say(now_ms, f"{what}, which has no dead-letter exchange: it is gone")
            return
        keys = stop.keys
        if settings.dead_letter_routing_key is not None:
            keys = (settings.dead_letter_routing_key,)
        self._say(now_ms, f"{what} ─▶ {_exchange(exchange)} with key {quoted(keys[0])}")
        died_in = (*stop.died_in, stop.queue)
        targets = self.view.routes.reached(exchange, keys, self.expected.headers)
        if not targets:
            self._say(now_ms, f"{_exchange(exchange)} leads it to no queue: it is gone")
        for target in targets:
            if target in died_in:
                # S110: nobody rejected it on the way
                self._say(now_ms, f"dropped before queue {quoted(target)}, where it died before")
            else:
                self._arrive(now_ms, target, keys, died_in)

    def _say(self, now_ms: int, what: str) -> None:
        self.lines.append(f"{format_duration(now_ms) if now_ms else '0':>6}  {what}")


def _check_expiry(lint: HostLint, expected: Expectation, queue: str) -> None:
    if queue not in lint.view.settings:
        return
    journey = _Journey(lint.view, expected)
    journey.run()
    if journey.waits:
        lint.report(
            EXPECTATION,
            expected,
            f"a message in queue {quoted(queue)} was followed into {MAX_STOPS:,} queues, and what"
            " becomes of it then was not tried",
            "Give an earlier time with 'after', or expect it of a queue further on.",
        )
        return
    if _are_those(lint.view, journey.rests, expected):
        return
    when = "in the end"
    if expected.expires_after_ms is not None:
        when = f"after {format_duration(expected.expires_after_ms)}"
    lint.report(
        EXPECTATION,
        expected,
        f"a message in queue {quoted(queue)} should be in {_queues(expected.reaches)} {when},"
        f" but is in {_queues(list(journey.rests))}",
        _REMEDY,
        "\n".join(journey.lines),
    )
