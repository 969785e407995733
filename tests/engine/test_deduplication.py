"""Duplicates dropped by exchanges and queues: LavinMQ's arguments, and the RabbitMQ plugin's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from leveret import Properties
from leveret.engine.traced import TracedChannel
from leveret.testing.journal import Journal

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.engine.conftest import Rig

    from leveret import Channel

ON: dict[str, Any] = {"x-message-deduplication": True}
HEADER = "x-deduplication-header"


def identified(identifier: Any, **headers: Any) -> Properties:
    return Properties(headers={HEADER: identifier, **headers})


def with_exchange(broker: Rig, **arguments: Any) -> Callable[[str, Properties], None]:
    broker.exchange_declare("x", "topic", arguments=ON | arguments)
    if not broker.exists("q"):
        broker.queue_declare("q")
    broker.queue_bind("q", "x", "#")
    return lambda body, properties: broker.basic_publish("x", "k", body, properties)


def with_type(broker: Rig, **arguments: Any) -> Callable[[str, Properties], None]:
    sized = {"x-cache-size": 128} | arguments
    broker.exchange_declare("x", "x-message-deduplication", arguments=sized)
    if not broker.exists("q"):
        broker.queue_declare("q")
    broker.queue_bind("q", "x", "not looked at")
    return lambda body, properties: broker.basic_publish("x", "k", body, properties)


def with_cache(broker: Rig, **arguments: Any) -> Callable[[str, Properties], None]:
    broker.queue_declare("q", arguments={**ON, "x-cache-size": 128} | arguments)
    return lambda body, properties: broker.basic_publish("", "q", body, properties)


def confirmed(channel: Channel) -> list[tuple[int, bool]]:
    """Turn confirms on; return the list that will have their numbers, and whether it was taken."""
    heard: list[tuple[int, bool]] = []
    channel.confirm_delivery(lambda number, _, taken: heard.append((number, taken)))
    return heard


CACHES = [with_exchange, with_type, with_cache]


@pytest.mark.parametrize("made", CACHES)
def test_a_message_that_came_before_is_dropped_whatever_became_of_the_first(
    broker: Rig, made: Any
) -> None:
    publish = made(broker)
    publish("a", identified("1"))
    publish("a again", identified("1"))
    publish("b", identified("2"))
    assert broker.drain("q") == ["a", "b"]
    publish("a once more", identified("1"))
    publish("no identifier", Properties())
    publish("another header", Properties(headers={"id": "1"}))
    publish("a void identifier", identified(None))
    assert broker.drain("q") == ["no identifier", "another header", "a void identifier"]


@pytest.mark.parametrize("made", CACHES)
def test_identifiers_are_equal_where_field_values_are(broker: Rig, made: Any) -> None:
    publish = made(broker)
    for identifier in (1, "1", 1.0, True, b"1", [1], {"a": 1}):
        publish(repr(identifier), identified(identifier))
    # Text is its bytes.
    assert broker.drain("q") == ["1", "'1'", "1.0", "True", "[1]", "{'a': 1}"]


@pytest.mark.parametrize("made", CACHES)
def test_the_oldest_identifier_goes_first_where_the_cache_is_full(broker: Rig, made: Any) -> None:
    publish = made(broker, **{"x-cache-size": 2})
    for identifier in ("a", "b", "c", "b", "a"):
        publish(identifier, identified(identifier))
    assert broker.drain("q") == ["a", "b", "c", "a"]


@pytest.mark.parametrize("made", CACHES)
def test_an_identifier_is_remembered_for_its_time(broker: Rig, made: Any) -> None:
    publish = made(broker, **{"x-cache-ttl": 1000})
    publish("first", identified("a"))
    broker.advance(ms=999)
    publish("too early", identified("a"))
    broker.advance(ms=1)
    publish("second", identified("a"))
    publish("short", identified("b", **{"x-cache-ttl": 10}))
    publish("long", identified("c", **{"x-cache-ttl": 5000}))
    broker.advance(ms=10)
    publish("short again", identified("b"))
    broker.advance(ms=4000)
    publish("long again", identified("c"))
    assert broker.drain("q") == ["first", "second", "short", "long", "short again"]


def test_what_is_over_makes_place_before_what_is_old(broker: Rig) -> None:
    publish = with_exchange(broker, **{"x-cache-size": 2})
    publish("old", identified("old"))
    publish("short", identified("short", **{"x-cache-ttl": 10}))
    broker.advance(ms=10)
    publish("new", identified("new"))
    publish("old again", identified("old"))
    assert broker.drain("q") == ["old", "short", "new"]


@pytest.mark.parametrize("made", [with_exchange, with_cache])
def test_the_header_that_identifies_can_be_named(broker: Rig, made: Any) -> None:
    publish = made(broker, **{HEADER: "order"})
    for body in ("a", "b"):
        publish(body, Properties(headers={"order": 7}))
        publish(body, identified("other"))
    assert broker.drain("q") == ["a", "a", "b"]


def test_a_queue_without_cache_looks_at_what_is_in_it(broker: Rig) -> None:
    broker.queue_declare("q", arguments={**ON, "x-max-length": 2})
    channel = broker.channel()

    def publish(body: str) -> None:
        broker.basic_publish("", "q", body, identified(body))

    def once_more(body: str) -> bool:
        before = broker.depth("q")
        publish(body)
        return broker.depth("q") > before

    publish("a")
    assert not once_more("a")
    got = broker.get(channel, "q")
    assert not once_more("a"), "it is unacknowledged"
    channel.basic_nack(got.tag)
    assert not once_more("a"), "it is back"
    channel.basic_ack(broker.get(channel, "q").tag)
    assert once_more("a"), "it was acknowledged"
    channel.basic_reject(broker.get(channel, "q").tag, requeue=False)
    assert once_more("a"), "it was rejected"
    broker.queue_purge("q")
    assert once_more("a"), "it was purged"
    assert broker.drain("q") == ["a"]
    assert once_more("a"), "it was taken without acknowledgement"
    publish("b")
    publish("c")
    publish("a")
    assert broker.drain("q") == ["c", "a"], "a was dropped for c, b for a"
    inbox = broker.consume(channel, "q", "c", auto_ack=True)
    for _ in range(2):
        publish("a")
    channel.basic_cancel("c")
    held = broker.consume(channel, "q", "d")
    for _ in range(2):
        publish("b")
    assert inbox.take() == ["c:a", "c:a"]
    _, tag, *_ = held.deliveries[0]
    assert held.take() == ["d:b"]
    channel.basic_ack(tag, multiple=True)
    publish("b")
    assert held.take() == ["d:b"]
    channel.close()
    assert not once_more("b"), "its consumer left"


def test_a_message_whose_time_is_over_may_come_again(broker: Rig) -> None:
    broker.queue_declare("q", arguments={**ON, "x-message-ttl": 50})
    for body in ("a", "b"):
        broker.basic_publish("", "q", body, identified(1))
    broker.advance(ms=50)
    broker.basic_publish("", "q", "c", identified(1))
    assert broker.drain("q") == ["c"]


@pytest.mark.parametrize("made", CACHES)
def test_a_duplicate_is_confirmed_and_not_returned(
    broker: Rig, channel: Channel, made: Any
) -> None:
    made(broker)
    exchange, key = ("", "q") if made is with_cache else ("x", "k")
    heard, returned = confirmed(channel), broker.returns(channel)
    for body in ("a", "b"):
        channel.basic_publish(exchange, key, body, identified(1), mandatory=True)
    assert heard == [(1, True), (2, True)]
    assert not returned
    assert broker.drain("q") == ["a"]


@pytest.mark.parametrize("made", CACHES)
def test_what_was_refused_or_found_no_queue_may_be_sent_again(
    broker: Rig, channel: Channel, made: Any
) -> None:
    limits: dict[str, Any] = {"x-max-length": 1, "x-overflow": "reject-publish"}
    if made is with_cache:
        made(broker, **limits)
    else:
        broker.queue_declare("q", arguments=limits)
        made(broker)
    exchange, key = ("", "q") if made is with_cache else ("x", "k")
    heard = confirmed(channel)
    for identifier in (1, 2):
        channel.basic_publish(exchange, key, str(identifier), identified(identifier))
    assert broker.drain("q") == ["1"]
    channel.basic_publish(exchange, key, "2 again", identified(2))
    assert broker.drain("q") == ["2 again"]
    assert heard == [(1, True), (2, False), (3, True)]
    if made is not with_cache:
        broker.queue_delete("q")
        channel.basic_publish(exchange, key, "3", identified(3))
        made(broker)
        channel.basic_publish(exchange, key, "3 again", identified(3))
        assert broker.drain("q") == ["3 again"]


def test_in_a_transaction_duplicates_count_from_its_commit(broker: Rig, channel: Channel) -> None:
    with_exchange(broker)
    channel.tx_select()
    channel.basic_publish("x", "k", "undone", identified(1))
    channel.tx_rollback()
    for body in ("a", "b"):
        channel.basic_publish("x", "k", body, identified(1))
    channel.tx_commit()
    assert broker.drain("q") == ["a"]


def test_dead_letters_are_not_duplicates_of_themselves(broker: Rig, channel: Channel) -> None:
    with_exchange(broker)
    broker.queue_declare("work", arguments={"x-dead-letter-exchange": "x"})
    broker.queue_bind("work", "x", "never")
    broker.basic_publish("x", "k", "a", identified(1))
    broker.put("work", "b", headers={HEADER: 1})
    channel.basic_reject(broker.get(channel, "work").tag, requeue=False)
    assert broker.drain("q") == ["a", "b"]


def test_exchanges_with_headers_and_priorities_drop_duplicates_too(broker: Rig) -> None:
    broker.exchange_declare("h", "headers", arguments=ON)
    broker.queue_declare("q", arguments={"x-max-priority": 3, **ON})
    broker.queue_bind("q", "h", arguments={"x-match": "all", "kind": "a"})
    for body in ("a", "b"):
        broker.basic_publish("h", "", body, identified(1, kind="a"))
    assert broker.drain("q") == ["a"]


def test_duplicates_are_counted_and_explained(broker: Rig) -> None:
    publish = with_exchange(broker, **{HEADER: "id"})
    broker.queue_declare("own", arguments=ON)
    for _ in range(3):
        publish("a", Properties(headers={"id": "7"}))
        broker.basic_publish("", "own", "a", identified(1))
    host = broker.statistics().virtual_hosts[0]
    assert {q.name: q.duplicates for q in host.queues} == {"q": 0, "own": 2}
    assert {x.name: x.duplicates for x in host.exchanges if x.published} == {"": 0, "x": 2}
    text = str(broker.explain("x", "k", Properties(headers={"id": "7"})))
    assert "drops duplicates by header 'id': once for '7'" in text
    assert "which this message lacks" in str(broker.explain("x", "k"))


@pytest.mark.parametrize(
    ("argument", "value", "reason"),
    [
        ("x-message-deduplication", "yes", "{unacceptable_type,longstr}"),
        (HEADER, 1, "{unacceptable_type,signedint}"),
        ("x-cache-size", 0, "{value_zero,0}"),
        ("x-cache-size", "many", '"expected integer, got longstr"'),
        ("x-cache-ttl", -1, "{value_negative,-1}"),
        ("x-cache-persistence", "tape", "invalid_cache_persistence"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(
    broker: Rig, argument: str, value: Any, reason: str
) -> None:
    channel = broker.channel()
    text = f"invalid arg '{argument}' for exchange 'x' in vhost '/': {reason}"
    with broker.refusing(channel, 406, text, "exchange.declare"):
        channel.exchange_declare("x", "topic", arguments={argument: value})
    channel = broker.channel()
    text = f"invalid arg '{argument}' for queue 'q' in vhost '/': {reason}"
    with broker.refusing(channel, 406, text, "queue.declare"):
        channel.queue_declare("q", arguments={argument: value})


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({}, "Missing or invalid argument, 'x-cache-size' must be an integer greater than 0"),
        (
            {"x-cache-size": "few"},
            "Missing or invalid argument, 'x-cache-size' must be an integer greater than 0",
        ),
        (
            {"x-cache-size": 1, "x-cache-ttl": "soon"},
            "Invalid argument, 'x-cache-ttl' must be an integer greater than 0",
        ),
        (
            {"x-cache-size": 1, "x-cache-persistence": "tape"},
            "Invalid argument, 'x-cache-persistence' must be either 'disk' or 'memory'",
        ),
    ],
)
def test_the_exchange_type_refuses_what_the_plugin_does(
    broker: Rig, arguments: dict[str, Any], text: str
) -> None:
    channel = broker.channel()
    with broker.refusing(channel, 406, text, "exchange.declare"):
        channel.exchange_declare("x", "x-message-deduplication", arguments=arguments)


def test_the_exchange_type_takes_numbers_as_text(broker: Rig) -> None:
    publish = with_type(broker, **{"x-cache-size": "1"})
    for identifier in ("a", "a", "b", "a"):
        publish(identifier, identified(identifier))
    assert broker.drain("q") == ["a", "b", "a"]


def test_a_deleted_exchange_forgets(broker: Rig) -> None:
    for _ in range(2):
        publish = with_exchange(broker)
        publish("a", identified(1))
        broker.exchange_delete("x")
        assert broker.drain("q") == ["a"]


def test_the_story_of_a_duplicate_ends_where_it_was_dropped(broker: Rig) -> None:
    journal = Journal()
    journal.follow(broker)
    with_exchange(broker)
    connection = broker.connect()
    connection.channel_type = TracedChannel
    channel = connection.channel()
    for body in ("a", "b"):
        channel.basic_publish("x", "k", body, identified(1))
    journal.check()
    assert [published.steps[-1].what for published in journal.published] == ["queued", "duplicate"]
