"""Messages, their order in a queue, consumers in turn, limits, times to live, dead-lettering."""

from leveret.queues.consumers import Consumer, ConsumerStatistics
from leveret.queues.message import AnyMessage, Message, QueuedMessage
from leveret.queues.queue import Queue, QueueHost, QueueStatistics
from leveret.queues.settings import QueueSettings, effective_settings

__all__ = [
    "AnyMessage",
    "Consumer",
    "ConsumerStatistics",
    "Message",
    "Queue",
    "QueueHost",
    "QueueSettings",
    "QueueStatistics",
    "QueuedMessage",
    "effective_settings",
]
