"""`topology.explain`: what a queue gets and where that goes, what an exchange does, by its name."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

from leveret.config.explain_errors import AmbiguousNameError, UnknownNameError
from leveret.config.explain_fates import Fates
from leveret.config.explain_sources import Sources
from leveret.config.explain_values import (
    ExchangeExplanation,
    PairExplanation,
    QueueExplanation,
    Together,
)
from leveret.config.explain_ways import Passage, Ways
from leveret.config.names import nearest
from leveret.config.view import HostView
from leveret.queues.arguments import queue_type

if TYPE_CHECKING:
    from collections.abc import Iterable

    from leveret.config.model import DestinationType, Policy, Topology

__all__ = ["explain", "explain_pair"]

#: Pairs of ways that are compared to see whether two queues may get the same message.
_MAX_PAIRS = 400


def explain(
    topology: Topology, name: str, kind: DestinationType | None, virtual_host: str
) -> QueueExplanation | ExchangeExplanation:
    """Explain a queue or an exchange; see `Topology.explain`."""
    view = _view(topology, virtual_host)
    is_queue = name in view.host.queues and kind != "exchange"
    is_exchange = name in view.exchanges and kind != "queue"
    if is_queue and is_exchange:
        where = f"in virtual host {virtual_host!r}"
        raise AmbiguousNameError(f"both a queue and an exchange are called {name!r} {where}")
    if is_queue:
        return _queue(view, name)
    if is_exchange:
        return _exchange(view, name)
    raise _unknown(topology, view, name, kind)


def explain_pair(topology: Topology, one: str, other: str, virtual_host: str) -> PairExplanation:
    """Say whether two queues can get the same message; see `Topology.explain_pair`."""
    view = _view(topology, virtual_host)
    for name in (one, other):
        if name not in view.host.queues:
            raise _unknown(topology, view, name, "queue")
    ways = Ways(view)
    ones, others = (_passages(ways, name) for name in (one, other))
    found = [
        _together(ways, exchange, (one, other), list(product(ones[exchange], others[exchange])))
        for exchange in ones
        if exchange and exchange in others  # the default exchange leads to one queue at a time
    ]
    return PairExplanation(virtual_host, (one, other), tuple(found))


def _view(topology: Topology, virtual_host: str) -> HostView:
    host = topology.virtual_hosts.get(virtual_host)
    if host is None:
        raise UnknownNameError(
            f"no virtual host {virtual_host!r}", _did_you_mean(virtual_host, topology.virtual_hosts)
        )
    return HostView(host, topology.compatibility)


def _queue(view: HostView, name: str) -> QueueExplanation:
    ways = Ways(view)
    queue, settings = view.host.queues[name], view.settings[name]
    sources, more = Sources(ways, "queue", name).find()
    policy, operator = view.policies_for(queue_type(queue.arguments), name)
    return QueueExplanation(
        virtual_host=view.host.name,
        queue=name,
        type=settings.type,
        durable=queue.durable,
        exclusive=queue.exclusive,
        auto_delete=queue.auto_delete,
        expires_ms=settings.expires_ms,
        max_priority=settings.max_priority,
        single_active_consumer=settings.single_active_consumer,
        policy=_name(policy),
        operator_policy=_name(operator),
        sources=sources,
        more_sources=more,
        fate=Fates(ways).of_queue(name),
    )


def _exchange(view: HostView, name: str) -> ExchangeExplanation:
    ways = Ways(view)
    exchange = view.exchanges[name]
    onward, more, leftover = Fates(ways).from_exchange(name)
    sources, more_sources = Sources(ways, "exchange", name).find()
    policy, operator = view.policies_for("exchange", name) if name else (None, None)
    return ExchangeExplanation(
        virtual_host=view.host.name,
        exchange=name,
        type=exchange.type,
        durable=exchange.durable,
        auto_delete=exchange.auto_delete,
        internal=exchange.internal,
        policy=_name(policy),
        operator_policy=_name(operator),
        alternate=view.alternates.get(name),
        onward=onward,
        more=more,
        leftover=leftover,
        sources=sources,
        more_sources=more_sources,
    )


def _name(policy: Policy | None) -> str | None:
    return None if policy is None else policy.name


def _unknown(
    topology: Topology, view: HostView, name: str, kind: DestinationType | None
) -> UnknownNameError:
    what = kind or "queue or exchange"
    message = f"no {what} {name!r} in virtual host {view.host.name!r}"
    if kind == "queue" and name in view.exchanges:
        return UnknownNameError(message, f"An exchange is called {name!r}.")
    if kind == "exchange" and name in view.host.queues:
        return UnknownNameError(message, f"A queue is called {name!r}.")
    for host in topology.virtual_hosts.values():
        if name in host.queues or name in host.exchanges:
            return UnknownNameError(message, f"Virtual host {host.name!r} has it.")
    known: dict[str, None] = {}
    if kind != "exchange":
        known |= dict.fromkeys(view.host.queues)
    if kind != "queue":
        known |= dict.fromkeys(view.exchanges)
    return UnknownNameError(message, _did_you_mean(name, known))


def _did_you_mean(name: str, known: Iterable[str]) -> str:
    known = [other for other in known if other]
    close = nearest(name, known)
    if close is not None:
        return f"Did you mean {close!r}?"
    if len(known) == 1:
        return f"There is {known[0]!r}."
    if 0 < len(known) <= 8:
        *others, last = map(repr, sorted(known))
        return f"There are {', '.join(others)} and {last}."
    return ""


def _passages(ways: Ways, queue: str) -> dict[str, list[Passage]]:
    """Return exchange -> what messages to it must be like to reach a queue, way by way."""
    found: dict[str, list[Passage]] = {}
    for exchange, passage in Sources(ways, "queue", queue, with_dead_letters=False).passages():
        found.setdefault(exchange, []).append(passage)
    return found


def _together(
    ways: Ways,
    exchange: str,
    queues: tuple[str, str],
    pairs: list[tuple[Passage, Passage]],
) -> Together:
    declared = ways.view.exchanges[exchange]
    possible: bool | None = False
    for one, other in pairs[:_MAX_PAIRS]:
        both = ways.both(one, other)
        if both.is_closed():
            continue
        example = ways.example(exchange, both, *queues)
        if example is not None:
            return Together(exchange, declared.type, declared.internal, True, example)
        possible = None
    if len(pairs) > _MAX_PAIRS:
        possible = None
    return Together(exchange, declared.type, declared.internal, possible, None)
