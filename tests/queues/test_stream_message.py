"""A delivery from a stream carries its offset, whatever headers its message has: in bytes too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from leveret.header import decode_properties, encode_header
from leveret.properties import Long, Properties
from leveret.queues import EncodedMessage, Message
from leveret.queues.stream_message import with_offset
from leveret.storage.records import StoredMessage

if TYPE_CHECKING:
    from leveret.queues import AnyMessage

PROPERTIES: list[dict[str, Any]] = [
    {},
    {"delivery_mode": 2},
    {"headers": {}},
    {"headers": {"a": 1, "b": "x"}},
    {"headers": {"x-stream-offset": 7, "a": 1}},
    {"headers": {"y": "x-stream-offset"}},
    {"content_type": "text/plain"},
    {"content_type": "text/plain", "content_encoding": "gzip", "headers": {"a": [1, {"b": None}]}},
    {"content_encoding": "gzip", "priority": 3, "expiration": "5", "message_id": "m"},
    {"headers": {"a": 1}, "delivery_mode": 1, "timestamp": 5, "app_id": "x"},
]


@pytest.mark.parametrize("values", PROPERTIES)
@pytest.mark.parametrize("encoded", [False, True])
@pytest.mark.parametrize("offset", [0, 2**40])
def test_the_offset_stands_among_the_headers(
    values: dict[str, Any], encoded: bool, offset: int
) -> None:
    properties = Properties(**values)
    message: AnyMessage = Message("x", "k", properties, b"body")
    if encoded:
        message = StoredMessage(b"\x01x\x01k", encode_header(properties, 4), b"body")
    found = with_offset(message, offset)
    headers = {**(properties.headers or {}), "x-stream-offset": Long(offset)}
    assert found.properties == Properties(**{**values, "headers": headers})
    assert (found.exchange, found.routing_key, found.body, found.size) == ("x", "k", b"body", 4)
    if isinstance(found, EncodedMessage):
        assert decode_properties(found.header) == found.properties
    assert message.properties == properties
