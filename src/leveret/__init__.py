"""An embeddable, RabbitMQ-compatible AMQP 0-9-1 routing broker."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from leveret.broker import Broker
    from leveret.clock import Clock, ManualClock, SystemClock
    from leveret.engine import Channel, Connection
    from leveret.properties import Properties
    from leveret.service import Delivery, Outgoing, Retry, Service, Worker
    from leveret.service import open as open  # noqa: A004 # leveret.open

__all__ = [
    "Broker",
    "Channel",
    "Clock",
    "Connection",
    "Delivery",
    "ManualClock",
    "Outgoing",
    "Properties",
    "Retry",
    "Service",
    "SystemClock",
    "Worker",
    "open",
]

# public name -> the module it is imported from when it is first used, so that a program that only
# reads a topology, or asks for `--help`, does not wait for the engine
_HOMES = {
    "Broker": "leveret.broker",
    "Channel": "leveret.engine",
    "Clock": "leveret.clock",
    "Connection": "leveret.engine",
    "Delivery": "leveret.service",
    "ManualClock": "leveret.clock",
    "Outgoing": "leveret.service",
    "Properties": "leveret.properties",
    "Retry": "leveret.service",
    "Service": "leveret.service",
    "SystemClock": "leveret.clock",
    "Worker": "leveret.service",
    "open": "leveret.service",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return value
