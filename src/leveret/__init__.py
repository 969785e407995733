"""An embeddable, RabbitMQ-compatible AMQP 0-9-1 routing broker."""

from leveret.broker import Broker
from leveret.clock import Clock, ManualClock, SystemClock
from leveret.engine import Channel, Connection
from leveret.properties import Properties

__all__ = [
    "Broker",
    "Channel",
    "Clock",
    "Connection",
    "ManualClock",
    "Properties",
    "SystemClock",
]
