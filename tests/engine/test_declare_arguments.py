"""What queue.declare takes as arguments, and how it refuses the rest.

Statements: S11 S15 S16 S17 S18 S19.
"""

from __future__ import annotations

import datetime
import decimal
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.engine.conftest import Make, Rig

QUORUM = {"x-queue-type": "quorum"}

# (rule, argument, value, why)
REFUSED: list[tuple[str, str, Any, str]] = [
    ("S15", "x-expires", 0, "{value_zero,0}"),
    ("S15", "x-expires", -1, "{value_negative,-1}"),
    ("S15", "x-expires", 1 << 40, "{value_too_large,1099511627776}"),
    ("S15", "x-message-ttl", -1, "{value_negative,-1}"),
    ("S15", "x-message-ttl", 1 << 40, "{value_too_large,1099511627776}"),
    ("live", "x-max-length", -1, "{value_negative,-1}"),
    ("live", "x-max-length-bytes", -1, "{value_negative,-1}"),
    ("S17", "x-max-priority", -1, "{value_negative,-1}"),
    ("S17", "x-max-priority", 256, "{max_value_exceeded,256}"),
    ("S17", "x-max-priority", "9", '"expected integer, got longstr"'),
    ("live", "x-message-ttl", "1000", '"expected integer, got longstr"'),
    ("live", "x-message-ttl", True, '"expected integer, got bool"'),
    ("live", "x-message-ttl", None, '"expected integer, got void"'),
    ("live", "x-expires", [1], '"expected integer, got array"'),
    ("live", "x-expires", {"a": 1}, '"expected integer, got table"'),
    ("live", "x-max-length", b"1", '"expected integer, got binary"'),
    ("live", "x-max-length", decimal.Decimal("1.5"), '"expected integer, got decimal"'),
    (
        "live",
        "x-max-length",
        datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC),
        '"expected integer, got timestamp"',
    ),
    ("live", "x-overflow", "explode", "invalid_overflow"),
    ("live", "x-overflow", 1, "{unacceptable_type,signedint}"),
    ("live", "x-overflow", 1 << 40, "{unacceptable_type,long}"),
    ("S16", "x-dead-letter-routing-key", "k", "routing_key_but_no_dlx_defined"),
    ("live", "x-dead-letter-routing-key", 5, "{unacceptable_type,signedint}"),
    ("live", "x-queue-mode", "bogus", "\"unsupported queue mode 'bogus'\""),
    ("live", "x-queue-mode", 1, "{unacceptable_type,signedint}"),
    ("live", "x-queue-type", "bogus", "\"unsupported queue type 'bogus'\""),
    ("live", "x-queue-type", 1, "{unacceptable_type,signedint}"),
    ("live", "x-single-active-consumer", "yes", "{unacceptable_type,longstr}"),
    ("live", "x-single-active-consumer", None, "{unacceptable_type,void}"),
    ("live", "x-queue-version", 0, "\"unsupported queue version '0'\""),
    ("live", "x-queue-version", 5, "\"unsupported queue version '5'\""),
]


@pytest.mark.parametrize(
    ("argument", "value", "why"),
    [case[1:] for case in REFUSED],
    ids=[f"{rule} {argument} {value}" for rule, argument, value, _ in REFUSED],
)
def test_a_value_that_rabbitmq_refuses(
    old_broker: Rig, argument: str, value: Any, why: str
) -> None:
    channel = old_broker.channel()
    text = f"invalid arg '{argument}' for queue 'q' in vhost '/': {why}"
    with old_broker.refusing(channel, 406, text, "queue.declare"):
        channel.queue_declare("q", arguments={argument: value})
    assert not old_broker.exists("q")


@pytest.mark.parametrize(
    ("value", "kind"),
    [(5, "signedint"), (1 << 40, "long"), (True, "bool"), (None, "void"), (["a"], "array")],
)
def test_seen_live_a_dead_letter_exchange_that_is_no_string(
    old_broker: Rig, value: Any, kind: str
) -> None:
    channel = old_broker.channel()
    text = f"invalid type '{kind}' for arg 'x-dead-letter-exchange' in queue 'q' in vhost '/'"
    with old_broker.refusing(channel, 406, text, "queue.declare"):
        channel.queue_declare("q", arguments={"x-dead-letter-exchange": value})


ACCEPTED: list[tuple[str, dict[str, Any]]] = [
    ("S15 no time to live at all", {"x-message-ttl": 0}),
    ("live: beyond 32 bits", {"x-message-ttl": 1 << 33, "x-expires": 1 << 33}),
    ("live: limits of none", {"x-max-length": 0, "x-max-length-bytes": 0}),
    ("live: a length beyond every queue", {"x-max-length": 1 << 40}),
    ("live: one priority", {"x-max-priority": 0}),
    ("S17 all priorities", {"x-max-priority": 255}),
    ("S16", {"x-dead-letter-routing-key": "k", "x-dead-letter-exchange": ""}),
    ("live: an unknown argument", {"x-unknown": 1, "foo": {"a": [1]}}),
    ("live: a consumer timeout of anything", {"x-consumer-timeout": 0}),
    ("live: of an older version", {"x-cancel-on-ha-failover": "maybe"}),
    ("live: lazy", {"x-queue-mode": "lazy", "x-queue-version": 1}),
    ("live: quorum", QUORUM | {"x-delivery-limit": -1}),
    ("live: quorum in memory", QUORUM | {"x-max-in-memory-length": 5}),
    ("live: quorum, at least once", QUORUM | {"x-dead-letter-strategy": "at-least-once"}),
    ("live: quorum, where", QUORUM | {"x-queue-leader-locator": "balanced"}),
]


@pytest.mark.parametrize(
    "arguments", [case[1] for case in ACCEPTED], ids=[case[0] for case in ACCEPTED]
)
def test_a_value_that_rabbitmq_takes(old_broker: Rig, arguments: dict[str, Any]) -> None:
    old_broker.channel().queue_declare("q", durable=True, arguments=arguments)
    assert old_broker.exists("q")


# (rule, queue type, argument, value)
FOREIGN: list[tuple[str, str, str, Any]] = [
    ("live", "classic", "x-delivery-limit", 3),
    ("live", "classic", "x-dead-letter-strategy", "at-least-once"),
    ("live", "classic", "x-quorum-initial-group-size", 1),
    ("live", "classic", "x-max-in-memory-length", 1),
    ("live", "classic", "x-max-age", "1D"),
    ("live", "classic", "x-stream-max-segment-size-bytes", 1),
    ("live", "classic", "x-initial-cluster-size", 1),
    ("S18", "quorum", "x-max-priority", 5),
    ("live", "quorum", "x-queue-mode", "lazy"),
    ("live", "quorum", "x-queue-version", 2),
    ("live", "quorum", "x-max-age", "1D"),
]


@pytest.mark.parametrize(
    ("kind", "argument", "value"),
    [case[1:] for case in FOREIGN],
    ids=[f"{rule} {kind} {argument}" for rule, kind, argument, _ in FOREIGN],
)
def test_an_argument_of_another_queue_type(
    old_broker: Rig, kind: str, argument: str, value: Any
) -> None:
    channel = old_broker.channel()
    text = f"invalid arg '{argument}' for queue 'q' in vhost '/' of queue type rabbit_{kind}_queue"
    with old_broker.refusing(channel, 406, text, "queue.declare"):
        channel.queue_declare("q", durable=True, arguments={"x-queue-type": kind, argument: value})


# (what is checked before what, name, properties, arguments, code, text)
ORDERS: list[tuple[str, str, dict[str, bool], dict[str, Any], int, str]] = [
    (
        "x-expires before x-message-ttl",
        "q",
        {},
        {"x-message-ttl": -1, "x-expires": 0},
        406,
        "invalid arg 'x-expires' for queue 'q' in vhost '/': {value_zero,0}",
    ),
    (
        "x-max-priority before x-overflow",
        "q",
        {},
        {"x-overflow": "z", "x-max-priority": 300},
        406,
        "invalid arg 'x-max-priority' for queue 'q' in vhost '/': {max_value_exceeded,300}",
    ),
    (
        "the queue type before all others",
        "q",
        {},
        {"x-expires": 0, "x-queue-type": "bogus"},
        406,
        "invalid arg 'x-queue-type' for queue 'q' in vhost '/': \"unsupported queue type 'bogus'\"",
    ),
    (
        "S11 the name before the arguments",
        "amq.q",
        {},
        {"x-expires": 0},
        403,
        "queue name 'amq.q' contains reserved prefix 'amq.*'",
    ),
    (
        "S19 arguments before properties",
        "q",
        {},
        QUORUM | {"x-max-priority": 5},
        406,
        "invalid arg 'x-max-priority' for queue 'q' in vhost '/' of queue type rabbit_quorum_queue",
    ),
    (
        "S19 auto-delete before the others",
        "q",
        {"exclusive": True, "auto_delete": True},
        QUORUM,
        406,
        "invalid property 'auto-delete' for queue 'q' in vhost '/'",
    ),
]


@pytest.mark.parametrize(
    ("name", "properties", "arguments", "code", "text"),
    [case[1:] for case in ORDERS],
    ids=[case[0] for case in ORDERS],
)
def test_seen_live_what_is_refused_first(
    old_broker: Rig,
    name: str,
    properties: dict[str, bool],
    arguments: dict[str, Any],
    code: int,
    text: str,
) -> None:
    channel = old_broker.channel()
    with old_broker.refusing(channel, code, text, "queue.declare"):
        channel.queue_declare(name, **properties, arguments=arguments)


@pytest.mark.parametrize("profile", ["3.10", "4.2"])
@pytest.mark.parametrize(
    ("properties", "what"),
    [
        ({"durable": False}, "non-durable"),
        ({"durable": True, "exclusive": True}, "exclusive-owner"),
        ({"durable": True, "auto_delete": True}, "auto-delete"),
    ],
    ids=["S19 durable", "S19 exclusive", "S19 auto-delete"],
)
def test_what_a_quorum_queue_cannot_be(
    make: Make, profile: str, properties: dict[str, bool], what: str
) -> None:
    broker = make(profile)
    channel = broker.channel()
    text = f"invalid property '{what}' for queue 'q' in vhost '/'"
    with broker.refusing(channel, 406, text, "queue.declare"):
        channel.queue_declare("q", **properties, arguments=QUORUM)


def test_s15_what_a_server_named_queue_is_refused_for_names_it(old_broker: Rig) -> None:
    channel = old_broker.channel()
    text = r"invalid arg 'x-expires' for queue 'amq\.gen-[\w-]{22}' in vhost '/': \{value_zero,0\}"
    with pytest.raises(Exception, match=text):
        channel.queue_declare("", arguments={"x-expires": 0})


@pytest.mark.parametrize("value", [1, True, None, ["a"], b"x"])
def test_seen_live_an_alternate_exchange_that_is_no_string(old_broker: Rig, value: Any) -> None:
    kinds = {int: "signedint", bool: "bool", type(None): "void", list: "array", bytes: "binary"}
    channel = old_broker.channel()
    text = (
        f"invalid type '{kinds[type(value)]}' for arg 'alternate-exchange'"
        " in exchange 'x' in vhost '/'"
    )
    with old_broker.refusing(channel, 406, text, "exchange.declare"):
        channel.exchange_declare("x", arguments={"alternate-exchange": value})
