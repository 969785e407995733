"""What conversations are made of: few names, so that steps meet, and values that matter."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

__all__ = [
    "BAD_PROPERTIES",
    "BAD_QUEUE_ARGUMENTS",
    "EXCHANGES",
    "EXCHANGE_TYPES",
    "HEADER_VALUES",
    "KEYS",
    "PATTERNS",
    "QUEUES",
    "SOME_EXCHANGE",
    "SOME_QUEUE",
    "SYSTEM_EXCHANGES",
]

QUEUES = ("q1", "q2", "q3", "q4")
EXCHANGES = ("x1", "x2", "x3", "x4")
EXCHANGE_TYPES = ("direct", "topic", "fanout", "headers")
SYSTEM_EXCHANGES = ("amq.direct", "amq.topic", "amq.fanout", "amq.headers")

#: Mostly queues that are there; `gen1` is the first that the broker named, "" the last declared.
SOME_QUEUE = (*("q1",) * 25, *("q2",) * 12, *("q3", "q4") * 6, "gen1", "", "q9")
SOME_EXCHANGE = (*EXCHANGES * 3, *SYSTEM_EXCHANGES)

KEYS = ("a", "a.b", "b", "a.b.c", "", ".", "q1", "q2", "q3", "*", "b.a")
PATTERNS = ("a", "a.b", "b", "", "a.*", "*.b", "*", "*.*", "#", "#", "a.#", "#.b", "#.b.#", "a*")

HEADER_VALUES: tuple[Any, ...] = (
    *(1, 2, 2**40, "x", "", True, None, [1, "x"], {"k": 1}, b"x"),
    Decimal("1.5"),
    datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC),
)

BAD_QUEUE_ARGUMENTS: tuple[dict[str, Any], ...] = (
    {"x-message-ttl": -1},
    {"x-message-ttl": "q1"},
    {"x-message-ttl": 2**40},
    {"x-expires": 0},
    {"x-expires": -5},
    {"x-expires": [1]},
    {"x-max-length": -1},
    {"x-max-length": True},
    {"x-max-length-bytes": None},
    {"x-max-length-bytes": {"a": 1}},
    {"x-max-priority": 256},
    {"x-max-priority": -1},
    {"x-overflow": "explode"},
    {"x-overflow": 1},
    {"x-dead-letter-exchange": 5},
    {"x-dead-letter-exchange": b"x1"},
    {"x-dead-letter-routing-key": "k"},
    {"x-dead-letter-exchange": "x1", "x-dead-letter-routing-key": 5},
    {"x-queue-mode": "bogus"},
    {"x-queue-mode": 2},
    {"x-queue-type": "bogus"},
    {"x-queue-type": 1},
    {"x-queue-version": 3},
    {"x-single-active-consumer": "yes"},
    {"x-delivery-limit": 3},
    {"x-dead-letter-strategy": "at-most-once"},
    {"x-quorum-initial-group-size": 1},
    {"x-max-age": "1D"},
    {"x-max-priority": 300, "x-expires": 0, "x-overflow": "explode"},
    {"x-queue-type": "quorum"},
)

BAD_PROPERTIES: tuple[dict[str, Any], ...] = (
    {"expiration": "-1"},
    {"expiration": "abc"},
    {"expiration": "1.5"},
    {"expiration": " 1"},
    {"expiration": str(2**40)},
    {"user_id": "bob"},
    {"delivery_mode": 3},
    {"headers": {"CC": "q1"}},
    {"headers": {"BCC": None}},
    {"user_id": "bob", "expiration": "x"},
    {"reply_to": "amq.rabbitmq.reply-to"},
)
