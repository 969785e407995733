"""Binding, deleting, and what goes with them.

Statements: S7 S23 S25 S28 S29 S30 S31 S32 S35 S36 S49 S54.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.engine.conftest import Make, Rig

    from leveret import Channel

# -- the default exchange, and the broker's own

ON_THE_DEFAULT: dict[str, Callable[[Channel], object]] = {
    "queue.bind": lambda channel: channel.queue_bind("q", "", "k"),
    "queue.bind of a missing queue": lambda channel: channel.queue_bind("none", "", "k"),
    "queue.unbind": lambda channel: channel.queue_unbind("q", "", "k"),
    "exchange.declare": lambda channel: channel.exchange_declare(""),
    "exchange.declare passive": lambda channel: channel.exchange_declare("", passive=True),
    "exchange.delete": lambda channel: channel.exchange_delete(""),
    "exchange.bind to it": lambda channel: channel.exchange_bind("", "amq.topic"),
    "exchange.bind from it": lambda channel: channel.exchange_bind("amq.topic", ""),
    "exchange.unbind": lambda channel: channel.exchange_unbind("amq.topic", ""),
}


@pytest.mark.parametrize("what", ON_THE_DEFAULT)
def test_s23_the_default_exchange_is_not_to_be_touched(
    broker: Rig, channel: Channel, what: str
) -> None:
    channel.queue_declare("q")
    text = "operation not permitted on the default exchange"
    with broker.refusing(channel, 403, text, what.split()[0]):
        ON_THE_DEFAULT[what](channel)


@pytest.mark.parametrize("name", ["amq.direct", "amq.topic", "amq.match", "amq.none"])
def test_s25_the_brokers_own_exchanges_are_not_deleted(
    broker: Rig, channel: Channel, name: str
) -> None:
    text = f"deletion of system exchange '{name}' in vhost '/' not allowed"
    with broker.refusing(channel, 403, text, "exchange.delete"):
        channel.exchange_delete(name)


def test_s25_they_may_be_declared_as_they_are_but_not_otherwise(
    broker: Rig, channel: Channel
) -> None:
    kinds = ("direct", "fanout", "topic", "headers")
    for kind in kinds:
        channel.exchange_declare(f"amq.{kind}", kind, durable=True)
    channel.exchange_declare("amq.match", "headers", durable=True)
    text = (
        "inequivalent arg 'durable' for exchange 'amq.topic' in vhost '/':"
        " received 'false' but current is 'true'"
    )
    with broker.refusing(channel, 406, text, "exchange.declare"):
        channel.exchange_declare("amq.topic", "topic")


# -- what is missing

MISSING: list[tuple[str, str, Callable[[Channel], object]]] = [
    ("queue.bind", "exchange 'x'", lambda channel: channel.queue_bind("none", "x", "k")),
    ("queue.bind", "exchange 'x'", lambda channel: channel.queue_bind("q", "x", "k")),
    ("queue.bind", "queue 'none'", lambda channel: channel.queue_bind("none", "amq.direct")),
    ("exchange.bind", "exchange 'x'", lambda channel: channel.exchange_bind("none", "x")),
    (
        "exchange.bind",
        "exchange 'none'",
        lambda channel: channel.exchange_bind("none", "amq.topic"),
    ),
    ("queue.purge", "queue 'none'", lambda channel: channel.queue_purge("none")),
    ("basic.get", "queue 'none'", lambda channel: channel.basic_get("none")),
    ("basic.consume", "queue 'none'", lambda channel: channel.basic_consume("none")),
]


@pytest.mark.parametrize(("method", "what", "call"), MISSING)
def test_s7_what_is_missing_is_named_the_source_first(
    broker: Rig, channel: Channel, method: str, what: str, call: Callable[[Channel], object]
) -> None:
    channel.queue_declare("q")
    with broker.refusing(channel, 404, f"no {what} in vhost '/'", method):
        call(channel)


def test_s28_deleting_or_unbinding_what_is_missing_is_fine(channel: Channel) -> None:
    channel.queue_declare("q")
    assert channel.queue_delete("none").message_count == 0
    assert channel.queue_delete("none", if_unused=True, if_empty=True).message_count == 0
    channel.exchange_delete("none")
    channel.exchange_delete("none", if_unused=True)
    channel.queue_unbind("q", "amq.direct", "k")
    channel.queue_unbind("none", "amq.direct", "k")
    channel.queue_unbind("q", "none", "k")
    channel.exchange_unbind("amq.topic", "amq.direct")
    channel.exchange_unbind("none", "nobody")
    assert channel.is_open


# -- if-unused and if-empty


def test_s29_a_queue_in_use_is_not_deleted_if_unused(broker: Rig, channel: Channel) -> None:
    channel.queue_declare("q")
    broker.channel().basic_consume("q")
    with broker.refusing(channel, 406, "queue 'q' in vhost '/' in use", "queue.delete"):
        channel.queue_delete("q", if_unused=True)


def test_s29_a_queue_with_a_ready_message_is_not_deleted_if_empty(
    broker: Rig, channel: Channel
) -> None:
    channel.queue_declare("q")
    broker.put("q", "m")
    with broker.refusing(channel, 406, "queue 'q' in vhost '/' not empty", "queue.delete"):
        channel.queue_delete("q", if_empty=True)


def test_s29_seen_live_in_use_is_said_before_not_empty(old_broker: Rig) -> None:
    channel = old_broker.channel()
    channel.queue_declare("q")
    channel.basic_qos(prefetch_count=1)
    channel.basic_consume("q")
    old_broker.put("q", "1", "2")
    with old_broker.refusing(channel, 406, "queue 'q' in vhost '/' in use", "queue.delete"):
        channel.queue_delete("q", if_unused=True, if_empty=True)


def test_s29_unacknowledged_messages_do_not_count(broker: Rig, channel: Channel) -> None:
    channel.queue_declare("q")
    broker.put("q", "m")
    tag = broker.get(channel, "q").tag
    assert channel.queue_delete("q", if_empty=True).message_count == 0
    channel.basic_ack(tag)
    assert channel.is_open


def test_s29_deleting_and_purging_count_ready_messages(broker: Rig, channel: Channel) -> None:
    channel.queue_declare("q")
    broker.put("q", "1", "2", "3", "4", "5")
    broker.take(channel, "q", 2)
    assert channel.queue_purge("q").message_count == 3
    broker.put("q", "6")
    assert channel.queue_delete("q").message_count == 1


@pytest.mark.parametrize(
    ("flags", "flag"),
    [
        ({"if_unused": True}, "if-unused"),
        ({"if_empty": True}, "if-empty"),
        ({"if_unused": True, "if_empty": True}, "if-unused"),
    ],
)
def test_s30_a_quorum_queue_takes_no_flags(
    broker: Rig, channel: Channel, flags: dict[str, Any], flag: str
) -> None:
    channel.queue_declare("q", durable=True, arguments={"x-queue-type": "quorum"})
    text = (
        f"cannot delete queue 'q' in vhost '/'. queue.delete operations with {flag} flag set are"
        " not supported by quorum queues"
    )
    with broker.refusing(channel, 540, text, "queue.delete"):
        channel.queue_delete("q", **flags)


def test_s31_an_exchange_that_is_a_source_is_in_use(broker: Rig, channel: Channel) -> None:
    channel.exchange_declare("x", "fanout")
    channel.exchange_bind("amq.fanout", "x")
    with broker.refusing(channel, 406, "exchange 'x' in vhost '/' in use", "exchange.delete"):
        channel.exchange_delete("x", if_unused=True)


def test_s31_an_exchange_that_is_only_a_destination_is_not(broker: Rig, channel: Channel) -> None:
    channel.exchange_declare("x", "fanout")
    channel.exchange_bind("x", "amq.fanout")
    channel.exchange_delete("x", if_unused=True)
    with broker.refusing(channel, 404, "no exchange 'x' in vhost '/'", "exchange.declare"):
        channel.exchange_declare("x", passive=True)


# -- the identity of a binding


def test_s32_binding_twice_is_binding_once(broker: Rig, channel: Channel) -> None:
    channel.queue_declare("q")
    for _ in range(3):
        channel.queue_bind("q", "amq.direct", "k")
    channel.basic_publish("amq.direct", "k", "1")
    assert broker.drain("q") == ["1"]
    channel.queue_unbind("q", "amq.direct", "k")
    channel.basic_publish("amq.direct", "k", "2")
    assert broker.drain("q") == []


def test_s32_unbind_must_name_key_and_arguments(broker: Rig, channel: Channel) -> None:
    channel.queue_declare("q")
    channel.queue_bind("q", "amq.headers", "k", {"a": 1, "b": {"c": [True]}})
    channel.queue_unbind("q", "amq.headers", "other", {"a": 1, "b": {"c": [True]}})
    channel.queue_unbind("q", "amq.headers", "k", {"a": 1})
    channel.queue_unbind("q", "amq.headers", "k")
    assert len(list(broker.virtual_hosts["/"].bindings)) == 1
    channel.queue_unbind("q", "amq.headers", "k", {"b": {"c": [True]}, "a": 1})
    assert not list(broker.virtual_hosts["/"].bindings)


def test_a_binding_without_a_key_takes_the_queues_name(broker: Rig, channel: Channel) -> None:
    channel.queue_declare("q")
    channel.queue_bind("q", "amq.direct")
    channel.basic_publish("amq.direct", "q", "1")
    channel.queue_bind("q", "amq.direct", "")
    channel.basic_publish("amq.direct", "", "2")
    assert broker.drain("q") == ["1", "2"]


@pytest.mark.parametrize("source", ["queue.bind", "exchange.bind"])
def test_s54_a_headers_binding_of_an_unknown_kind(
    broker: Rig, channel: Channel, source: str
) -> None:
    channel.queue_declare("q")
    text = 'Invalid x-match field value <<"bad">>; expected all, any, all-with-x, or any-with-x'
    with broker.refusing(channel, 406, text, source):
        if source == "queue.bind":
            channel.queue_bind("q", "amq.headers", "", {"x-match": "bad"})
        else:
            channel.exchange_bind("amq.fanout", "amq.headers", "", {"x-match": "bad"})


def test_s54_other_exchanges_and_unbind_do_not_look_at_x_match(channel: Channel) -> None:
    channel.queue_declare("q")
    channel.queue_bind("q", "amq.direct", "k", {"x-match": "bad"})
    channel.queue_unbind("q", "amq.headers", "", {"x-match": "bad"})


def test_s49_in_4_3_a_topic_binding_has_at_most_two_hashes(make: Make) -> None:
    broker = make("4.3")
    channel = broker.channel()
    channel.queue_declare("q", durable=True)
    channel.queue_bind("q", "amq.topic", "#.a.#")
    text = "Topic binding key '#.a.#.b.#' uses 3 '#' wildcards, at most 2 are allowed"
    with broker.refusing(channel, 406, text, "queue.bind"):
        channel.queue_bind("q", "amq.topic", "#.a.#.b.#")
    broker.channel().queue_unbind("q", "amq.topic", "#.a.#.b.#")


@pytest.mark.parametrize("profile", ["3.10", "3.13", "4.2"])
def test_s49_before_that_any_number_is_allowed(make: Make, profile: str) -> None:
    channel = make(profile).channel()
    channel.queue_declare("q")
    channel.queue_bind("q", "amq.topic", "#.a.#.b.#.c.#")


# -- auto-delete


def test_s35_an_auto_delete_exchange_goes_with_its_last_binding_as_source(
    broker: Rig, channel: Channel
) -> None:
    exchanges = broker.virtual_hosts["/"].exchanges
    channel.queue_declare("q")
    channel.exchange_declare("x", "fanout", auto_delete=True)
    channel.exchange_bind("x", "amq.fanout")
    channel.exchange_unbind("x", "amq.fanout")
    assert "x" in exchanges
    channel.queue_bind("q", "x", "1")
    channel.queue_bind("q", "x", "2")
    channel.queue_unbind("q", "x", "1")
    assert "x" in exchanges
    channel.queue_unbind("q", "x", "2")
    assert "x" not in exchanges


@pytest.mark.parametrize("what", ["the queue is deleted", "the destination exchange is deleted"])
def test_s35_also_where_the_destination_goes(broker: Rig, channel: Channel, what: str) -> None:
    channel.exchange_declare("x", "fanout", auto_delete=True)
    if what == "the queue is deleted":
        channel.queue_declare("q")
        channel.queue_bind("q", "x")
        channel.queue_delete("q")
    else:
        channel.exchange_declare("y", "fanout")
        channel.exchange_bind("y", "x")
        channel.exchange_delete("y")
    assert "x" not in broker.virtual_hosts["/"].exchanges


def test_s35_a_chain_of_auto_delete_exchanges_goes_as_a_whole(
    broker: Rig, channel: Channel
) -> None:
    exchanges = broker.virtual_hosts["/"].exchanges
    for name in ("a", "b", "c"):
        channel.exchange_declare(name, "fanout", auto_delete=True)
    channel.exchange_bind("b", "a")
    channel.exchange_bind("c", "b")
    channel.queue_declare("q")
    channel.queue_bind("q", "c")
    channel.queue_unbind("q", "c")
    assert not {"a", "b", "c"} & set(exchanges)


def test_s35_a_circle_of_auto_delete_exchanges_goes_as_a_whole(
    broker: Rig, channel: Channel
) -> None:
    for name in ("a", "b"):
        channel.exchange_declare(name, "fanout", auto_delete=True)
    channel.exchange_bind("b", "a")
    channel.exchange_bind("a", "b")
    channel.exchange_delete("a")
    assert not {"a", "b"} & set(broker.virtual_hosts["/"].exchanges)


def test_s35_the_end_of_its_source_leaves_an_auto_delete_exchange(
    broker: Rig, channel: Channel
) -> None:
    channel.exchange_declare("source", "fanout")
    channel.exchange_declare("x", "fanout", auto_delete=True)
    channel.exchange_bind("x", "source")
    channel.exchange_delete("source")
    assert "x" in broker.virtual_hosts["/"].exchanges


@pytest.mark.parametrize("how", ["cancel", "channel", "connection"])
def test_s36_an_auto_delete_queue_goes_with_its_last_consumer(broker: Rig, how: str) -> None:
    channel = broker.connect().channel()
    channel.queue_declare("q", auto_delete=True)
    broker.get(channel, "q") if broker.depth("q") else channel.basic_get("q")
    other = broker.channel()
    other.basic_consume("q", consumer_tag="first")
    channel.basic_consume("q", consumer_tag="last")
    other.basic_cancel("first")
    assert broker.exists("q")
    if how == "cancel":
        channel.basic_cancel("last")
    elif how == "channel":
        channel.close()
    else:
        channel.connection.close()
    assert not broker.exists("q")


def test_s36_not_before_it_had_one_and_getting_does_not_count(broker: Rig) -> None:
    channel = broker.channel()
    channel.queue_declare("q", auto_delete=True)
    broker.put("q", "m")
    broker.get(channel, "q")
    channel.close()
    assert broker.exists("q")
