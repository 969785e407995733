"""Exchange types, the walk from an exchange to the queues reached, and its explanation."""

from typing import TYPE_CHECKING, Any

from leveret.exchanges.base import BindingLimits, Envelope, Exchange, Random, Verdict
from leveret.exchanges.consistent_hash import ConsistentHashExchange
from leveret.exchanges.default import DefaultExchange
from leveret.exchanges.delayed import DelayedExchange, requested_delay_ms
from leveret.exchanges.direct import DirectExchange
from leveret.exchanges.fanout import FanoutExchange
from leveret.exchanges.headers import HeadersExchange
from leveret.exchanges.random_ import RandomExchange
from leveret.exchanges.registry import ExchangeTypes
from leveret.exchanges.router import Router
from leveret.exchanges.topic import TopicExchange
from leveret.exchanges.walk import routing_keys

if TYPE_CHECKING:
    from leveret.exchanges.trace import Considered, RouteTrace, Visit

__all__ = [
    "BindingLimits",
    "Considered",
    "ConsistentHashExchange",
    "DefaultExchange",
    "DelayedExchange",
    "DirectExchange",
    "Envelope",
    "Exchange",
    "ExchangeTypes",
    "FanoutExchange",
    "HeadersExchange",
    "Random",
    "RandomExchange",
    "RouteTrace",
    "Router",
    "TopicExchange",
    "Verdict",
    "Visit",
    "requested_delay_ms",
    "routing_keys",
]


def __getattr__(name: str) -> Any:
    """Import the explanation of routes when somebody first wants one: few programs do."""
    if name in {"Considered", "RouteTrace", "Visit"}:
        from leveret.exchanges import trace

        return getattr(trace, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
