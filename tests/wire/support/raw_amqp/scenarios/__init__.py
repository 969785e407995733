"""Conversations in frames that go the same way with leveret and with RabbitMQ 3.10.

Each is a function that opens connections, sends frames, and looks at what came back.
"""

from __future__ import annotations

from raw_amqp.scenarios import (
    channels,
    connections,
    consumers,
    contents,
    handshake,
    messages,
    refusals,
)
from raw_amqp.scenarios.registry import SCENARIOS

__all__ = [
    "DELIBERATE",
    "SCENARIOS",
    "channels",
    "connections",
    "consumers",
    "contents",
    "handshake",
    "messages",
    "refusals",
]

_DROPS = "RabbitMQ waits three seconds and drops the client without a word; leveret says why"

#: Where leveret answers otherwise on purpose, and why. What it answers has tests of its own.
DELIBERATE: dict[str, str] = {
    "a header of AMQP 0-8": "no client of this century sends it; RabbitMQ 4 refuses it as well",
    **{f"tune-ok with frame_max {size}": _DROPS for size in (0, 1, 4095, 131_073)},
    **{f"tune-ok with channel_max {number}": _DROPS for number in (0, 2048, 65_535)},
    **dict.fromkeys(
        (
            "a method whose table has an unknown type",
            "unknown class",
            "unknown method",
            "unknown method on a channel that is not open",
            "a closing channel and unknown methods",
        ),
        "RabbitMQ's reader crashes and the client is dropped without a word; leveret says why",
    ),
}
