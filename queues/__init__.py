"""Messages, their order in a queue, consumers in turn, limits, times to live, dead-lettering."""

from leveret.queues.consumers import Consumer
from leveret.queues.deduplicating import DeduplicatingQueue
from leveret.queues.message import AnyMessage, EncodedMessage, Message, QueuedMessage
from leveret.queues.paged import PagedRun
from leveret.queues.queue import Queue, QueueHost
from leveret.queues.queue_base import QueueJournal
from leveret.queues.run import MessageRun, QueuedRun
from leveret.queues.settings import QueueSettings, effective_settings

__all__ = [
    "AnyMessage",
    "Consumer",
    "DeduplicatingQueue",
    "EncodedMessage",
    "Message",
    "MessageRun",
    "PagedRun",
    "Queue",
    "QueueHost",
    "QueueJournal",
    "QueueSettings",
    "QueuedMessage",
    "QueuedRun",
    "effective_settings",
]
