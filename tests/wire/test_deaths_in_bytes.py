"""A message that dies in the bytes it came in becomes what it would have become decoded."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leveret.engine.profile import PROFILES
from leveret.header import encode_header
from leveret.properties import Properties
from leveret.queues import AnyMessage, Message
from leveret.queues.dead_letter import record_death
from leveret.wire.content import LargeMessage

TEXTS = st.none() | st.text(max_size=5)
PROPERTIES = st.builds(
    Properties,
    content_type=TEXTS,
    content_encoding=TEXTS,
    headers=st.none() | st.dictionaries(st.sampled_from(["CC", "n", "x-death"]), TEXTS, max_size=2),
    delivery_mode=st.sampled_from([None, 1, 2]),
    priority=st.sampled_from([None, 0, 9]),
    correlation_id=TEXTS,
    expiration=st.none() | st.sampled_from(["0", "60000"]),
    message_id=TEXTS,
    app_id=TEXTS,
)


def shown(message: AnyMessage) -> tuple[object, ...]:
    return (
        message.exchange,
        message.routing_key,
        message.properties,
        list(message.properties.headers or {}),
        message.body,
        message.size,
        message.expiration_ms,
        message.extra_keys,
        message.died,
        message.is_persistent,
        message.priority,
    )


@pytest.mark.parametrize("version", PROFILES)
@given(
    properties=PROPERTIES,
    exchange=st.sampled_from([None, "", "dlx"]),
    routing_key=st.sampled_from([None, "k", ""]),
    reason=st.sampled_from(["rejected", "expired", "maxlen"]),
    seconds=st.integers(0, 3),
)
def test_bytes_die_as_values_do(
    version: str,
    properties: Properties,
    exchange: str | None,
    routing_key: str | None,
    reason: str,
    seconds: int,
) -> None:
    rules = PROFILES[version].deaths
    body = b"body"
    decoded = Message("x", "key", properties, body)
    address = b"\x01x\x03key"
    encoded = LargeMessage("x", "key", address, encode_header(properties, 4), 4, body)
    first, second = (
        record_death(
            message,
            "q",
            reason,
            seconds * 1000 + 7,
            rules,
            exchange=exchange,
            routing_key=routing_key,
        )
        for message in (decoded, encoded)
    )
    assert shown(second) == shown(first)
