"""The walk from one exchange over bindings and alternates to all exchanges a message comes to.

It follows RabbitMQ's `rabbit_exchange:route/3`. Each exchange answers once, for all routing keys
together. What it answers are queues and further exchanges; an exchange that answers nothing is
replaced by its alternate (S37), which counts from the bindings alone: a route that ends at an
exchange where nothing matches does not bring back the alternate of the one before. Each exchange
is visited once, so cycles end (S34). A work list, not recursion: chains may be long.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, TypeAlias

from leveret.errors import PreconditionFailed
from leveret.exchanges.base import Exchange
from leveret.routing import Binding, erlang_type

if TYPE_CHECKING:
    from collections.abc import Mapping

    from leveret.exchanges.base import Envelope
    from leveret.properties import Properties

__all__ = ["ROUTING_HEADERS", "Step", "onward", "routing_keys", "walk"]

#: The headers whose arrays add routing keys (S56).
ROUTING_HEADERS = ("CC", "BCC")


def routing_keys(routing_key: str, properties: Properties | None) -> tuple[str, ...]:
    """Return all keys a message is routed by: its own, then those of CC and BCC (S56).

    What stands in the arrays and is not a string is passed over, as in RabbitMQ.

    Raises:
        PreconditionFailed: CC or BCC is not an array.

    """
    if properties is None or not properties.headers:
        return (routing_key,)
    keys = [routing_key]
    for header in ROUTING_HEADERS:
        if header not in properties.headers:
            continue
        extra = properties.headers[header]
        if not isinstance(extra, list):
            raise PreconditionFailed(
                f'invalid message: {{unacceptable_type_in_header,"{header}",{erlang_type(extra)}}}'
            )
        keys.extend(key for key in extra if isinstance(key, str))
    return tuple(keys)


#: One exchange visited: the exchange; the bindings taken, in the order in which it gave them, some
#: perhaps twice; the alternate exchange that is asked since there were none, which may not exist.
#: A plain tuple, since every message that is not remembered makes one at least.
Step: TypeAlias = tuple[Exchange, Collection[Binding], str | None]


def walk(
    start: Exchange,
    exchanges: Mapping[str, Exchange],
    envelope: Envelope,
    *,
    draw: bool = True,
) -> list[Step]:
    """Visit every exchange that the message comes to, each once, nearest first.

    `draw=False` follows every binding that chance might choose, and chooses none. The default
    exchange is visited only as the start: it has no bindings that another could lead over.
    """
    steps: list[Step] = []
    seen = {start.name, ""}
    work = [start]
    for exchange in work:
        bindings = exchange.route(envelope) if draw else exchange.candidates(envelope)
        alternate = None if bindings or not exchange.name else exchange.alternate
        if alternate is not None and draw and exchange.delays and exchange.held_ms(envelope):
            alternate = None
        step = (exchange, bindings, alternate)
        steps.append(step)
        if not exchange.leads_on and alternate is None:
            continue
        for name in onward(step):
            if name not in seen:
                seen.add(name)
                if name in exchanges:
                    work.append(exchanges[name])
    return steps


def onward(step: Step) -> list[str]:
    """Return the names of the exchanges that a step leads to, some perhaps twice."""
    _, bindings, alternate = step
    if alternate is not None:
        return [alternate]
    return [b.destination for b in bindings if b.destination_type == "exchange"]
