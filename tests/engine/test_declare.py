"""Declaring: equivalence, passive declarations, what may be declared.

Statements: S1 S2 S3 S4 S5 S6 S7 S14 S20 S22.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from leveret.errors import ChannelWrongStateError, InternalError, NotFound

if TYPE_CHECKING:
    from tests.engine.conftest import Make, Rig

    from leveret import Channel

# -- equivalence

QUEUE_PROPERTIES: list[tuple[str, dict[str, bool], dict[str, bool], str]] = [
    ("S1 durable", {}, {"durable": True}, "'durable' {}: received 'true' but current is 'false'"),
    (
        "S1 durable, the other way",
        {"durable": True},
        {},
        "'durable' {}: received 'false' but current is 'true'",
    ),
    (
        "S1 auto_delete",
        {},
        {"auto_delete": True},
        "'auto_delete' {}: received 'true' but current is 'false'",
    ),
    (
        "S1 durable is compared before auto_delete",
        {"auto_delete": True},
        {"durable": True},
        "'durable' {}: received 'true' but current is 'false'",
    ),
]


@pytest.mark.parametrize(
    ("first", "second", "text"),
    [case[1:] for case in QUEUE_PROPERTIES],
    ids=[case[0] for case in QUEUE_PROPERTIES],
)
def test_a_queue_redeclared_otherwise_is_refused(
    broker: Rig, channel: Channel, first: dict[str, Any], second: dict[str, Any], text: str
) -> None:
    channel.queue_declare("q", **first)
    text = "inequivalent arg " + text.format("for queue 'q' in vhost '/'")
    with broker.refusing(channel, 406, text, "queue.declare"):
        channel.queue_declare("q", **second)


EXCHANGE_PROPERTIES: list[tuple[str, dict[str, Any], dict[str, Any], str]] = [
    (
        "S1 type",
        {},
        {"exchange_type": "topic", "durable": True},
        "'type' {}: received 'topic' but current is 'direct'",
    ),
    (
        "S1 durable",
        {"durable": True},
        {"internal": True},
        "'durable' {}: received 'false' but current is 'true'",
    ),
    (
        "S1 auto_delete",
        {},
        {"auto_delete": True, "internal": True},
        "'auto_delete' {}: received 'true' but current is 'false'",
    ),
    (
        "S1 internal",
        {"internal": True},
        {},
        "'internal' {}: received 'false' but current is 'true'",
    ),
    (
        "S5 an alternate exchange against none",
        {},
        {"arguments": {"alternate-exchange": "a"}},
        "'alternate-exchange' {}: received the value 'a' of type 'longstr' but current is none",
    ),
    (
        "S5 none against an alternate exchange",
        {"arguments": {"alternate-exchange": "a"}},
        {},
        "'alternate-exchange' {}: received none but current is the value 'a' of type 'longstr'",
    ),
    (
        "S5 two alternate exchanges",
        {"arguments": {"alternate-exchange": "a"}},
        {"arguments": {"alternate-exchange": "b"}},
        "'alternate-exchange' {}: received 'b' but current is 'a'",
    ),
]


@pytest.mark.parametrize(
    ("first", "second", "text"),
    [case[1:] for case in EXCHANGE_PROPERTIES],
    ids=[case[0] for case in EXCHANGE_PROPERTIES],
)
def test_an_exchange_redeclared_otherwise_is_refused(
    broker: Rig, channel: Channel, first: dict[str, Any], second: dict[str, Any], text: str
) -> None:
    channel.exchange_declare("x", **first)
    text = "inequivalent arg " + text.format("for exchange 'x' in vhost '/'")
    with broker.refusing(channel, 406, text, "exchange.declare"):
        channel.exchange_declare("x", **second)


def test_s5_other_arguments_of_an_exchange_are_not_compared(channel: Channel) -> None:
    channel.exchange_declare("x", arguments={"foo": 1})
    channel.exchange_declare("x", arguments={"bar": "2"})
    channel.exchange_declare("x")


# (case, arguments that exist, arguments sent, None where equal or what the refusal says)
ARGUMENTS: list[tuple[str, dict[str, Any], dict[str, Any], str | None]] = [
    (
        "S2 a value against none",
        {},
        {"x-message-ttl": 1000},
        "'x-message-ttl' {}: received the value '1000' of type 'signedint' but current is none",
    ),
    (
        "S2 none against a value",
        {"x-dead-letter-exchange": "a"},
        {},
        "'x-dead-letter-exchange' {}: received none but current is the value 'a' of type 'longstr'",
    ),
    (
        "S2 two values",
        {"x-message-ttl": 6},
        {"x-message-ttl": 5},
        "'x-message-ttl' {}: received '5' but current is '6'",
    ),
    (
        "S2 a value too wide for 32 bits",
        {},
        {"x-message-ttl": 4294967296},
        "'x-message-ttl' {}: received the value '4294967296' of type 'long' but current is none",
    ),
    (
        "S2 a boolean",
        {"x-single-active-consumer": True},
        {"x-single-active-consumer": False},
        "'x-single-active-consumer' {}: received 'false' but current is 'true'",
    ),
    (
        "S2 the default spelled out is not the default left out",
        {},
        {"x-overflow": "drop-head"},
        "'x-overflow' {}: received the value 'drop-head' of type 'longstr' but current is none",
    ),
    (
        "S2 arguments are compared in RabbitMQ's order, not in theirs",
        {},
        {"x-max-length": 3, "x-message-ttl": 5, "x-expires": 60000},
        "'x-expires' {}: received the value '60000' of type 'signedint' but current is none",
    ),
    ("S3 the same value", {"x-message-ttl": 5}, {"x-message-ttl": 5}, None),
    ("S4 classic named later", {}, {"x-queue-type": "classic"}, None),
    ("S4 classic named first", {"x-queue-type": "classic"}, {}, None),
    (
        "S4 but not quorum",
        {},
        {"x-queue-type": "quorum"},
        "'x-queue-type' {}: received the value 'quorum' of type 'longstr' but current is none",
    ),
    ("an unknown argument is not compared", {"x-unknown": "z"}, {"x-unknown": 3}, None),
]


@pytest.mark.parametrize("profile", ["3.10", "4.2"])
@pytest.mark.parametrize(
    ("first", "second", "text"),
    [case[1:] for case in ARGUMENTS],
    ids=[case[0] for case in ARGUMENTS],
)
def test_arguments_of_a_queue_are_compared(
    make: Make, profile: str, first: dict[str, Any], second: dict[str, Any], text: str | None
) -> None:
    broker = make(profile)
    channel = broker.channel()
    channel.queue_declare("q", durable=True, arguments=first)
    if text is None:
        channel.queue_declare("q", durable=True, arguments=second)
        return
    text = "inequivalent arg " + text.format("for queue 'q' in vhost '/'")
    with broker.refusing(channel, 406, text, "queue.declare"):
        channel.queue_declare("q", durable=True, arguments=second)


def test_s3_an_integer_is_the_same_in_every_width(channel: Channel) -> None:
    class Long(int):
        """An integer that a client sends as 64 bits, as pika's `long` is."""

    channel.queue_declare("q", arguments={"x-message-ttl": 5})
    channel.queue_declare("q", arguments={"x-message-ttl": Long(5)})


# -- passive


def test_s6_a_passive_declare_tells_counts_and_compares_nothing(
    broker: Rig, channel: Channel
) -> None:
    channel.queue_declare("q", durable=True, arguments={"x-max-priority": 3})
    broker.put("q", "1", "2", "3")
    broker.get(channel, "q")
    channel.basic_consume("q", consumer_tag="a", auto_ack=True)
    channel.basic_cancel("a")
    broker.put("q", "4", "5")
    broker.get(channel, "q")
    answer = channel.queue_declare("q", passive=True, auto_delete=True, exclusive=True)
    assert (answer.queue, answer.message_count, answer.consumer_count) == ("q", 1, 0)
    channel.basic_qos(prefetch_count=1)
    channel.basic_consume("q", consumer_tag="b")
    answer = channel.queue_declare("q", passive=True)
    assert (answer.message_count, answer.consumer_count) == (0, 1)


def test_s7_a_passive_declare_of_a_missing_queue(broker: Rig, channel: Channel) -> None:
    with broker.refusing(channel, 404, "no queue 'q' in vhost '/'", "queue.declare"):
        channel.queue_declare("q", passive=True)


def test_s7_a_passive_declare_of_a_missing_exchange(broker: Rig, channel: Channel) -> None:
    with broker.refusing(channel, 404, "no exchange 'x' in vhost '/'", "exchange.declare"):
        channel.exchange_declare("x", passive=True)


def test_s7_a_passive_declare_of_an_exchange_compares_nothing(channel: Channel) -> None:
    channel.exchange_declare("x", "topic", durable=True)
    channel.exchange_declare("x", "bogus", passive=True, internal=True)


# -- what may be declared


@pytest.mark.parametrize("profile", ["3.13", "4.2", "4.3"])
def test_s14_an_unknown_exchange_type_closes_the_channel(make: Make, profile: str) -> None:
    broker = make(profile)
    channel = broker.channel()
    with broker.refusing(channel, 406, "unknown exchange type 'foo'", "exchange.declare"):
        channel.exchange_declare("x", "foo")


@pytest.mark.parametrize("name", ["x", "amq.x", "", "amq.topic"])
def test_s14_seen_live_an_unknown_exchange_type_is_refused_first_and_closes_the_connection(
    old_broker: Rig, name: str
) -> None:
    channel = old_broker.channel()
    with old_broker.refusing(channel, 503, "unknown exchange type 'bogus'", "exchange.declare"):
        channel.exchange_declare(name, "bogus")


@pytest.mark.parametrize("profile", ["3.10", "3.13", "4.2"])
def test_s20_a_transient_queue_that_is_not_exclusive_is_allowed(make: Make, profile: str) -> None:
    make(profile).channel().queue_declare("q", durable=False)


def test_s20_in_4_3_a_transient_queue_must_be_exclusive(make: Make) -> None:
    broker = make("4.3")
    channel = broker.channel()
    channel.queue_declare("mine", durable=False, exclusive=True)
    with pytest.raises(InternalError) as caught:
        channel.queue_declare("q", durable=False)
    assert caught.value.reply_code == 541
    assert caught.value.reply_text.startswith(
        "INTERNAL_ERROR - Feature `transient_nonexcl_queues` is deprecated.\n"
        "By default, this feature is not permitted anymore.\n"
    )
    assert not channel.connection.is_open
    assert not broker.exists("mine")


def test_s22_a_refused_declare_leaves_the_channel_closed_and_says_why(channel: Channel) -> None:
    with pytest.raises(NotFound):
        channel.queue_declare("q", passive=True)
    with pytest.raises(ChannelWrongStateError, match=r"closed: 404 NOT_FOUND - no queue 'q'"):
        channel.queue_declare("q")
