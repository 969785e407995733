"""Direct reply-to.

Statements: S116 S117 S118 S119.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from leveret import Properties

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.engine.conftest import Inbox, Make, Rig

    from leveret import Channel

PSEUDO = "amq.rabbitmq.reply-to"


def asks(broker: Rig, channel: Channel) -> tuple[Inbox, str]:
    """Publish a request from `channel`; return where replies come to and their address."""
    broker.queue_declare("requests")
    inbox = broker.consume(channel, PSEUDO, "replies", auto_ack=True)
    channel.basic_publish("", "requests", "?", Properties(reply_to=PSEUDO, correlation_id="7"))
    address = broker.get(broker.channel(), "requests", auto_ack=True).properties.reply_to
    assert address is not None
    return inbox, address


def test_s116_replies_are_not_acknowledged(broker: Rig, channel: Channel) -> None:
    with broker.refusing(channel, 406, "reply consumer cannot acknowledge", "basic.consume"):
        channel.basic_consume(PSEUDO)


def test_s116_a_channel_has_one_reply_consumer(broker: Rig, channel: Channel) -> None:
    channel.basic_consume(PSEUDO, auto_ack=True)
    with broker.refusing(channel, 406, "reply consumer already set", "basic.consume"):
        channel.basic_consume(PSEUDO, auto_ack=True)


def test_s116_after_cancel_it_may_have_another(broker: Rig, channel: Channel) -> None:
    channel.basic_consume(PSEUDO, auto_ack=True, consumer_tag="t")
    channel.basic_cancel("t")
    channel.basic_consume(PSEUDO, auto_ack=True, exclusive=True)


def test_s117_a_request_needs_a_reply_consumer(broker: Rig, channel: Channel) -> None:
    broker.channel().basic_consume(PSEUDO, auto_ack=True)
    text = "fast reply consumer does not exist"
    with broker.refusing(channel, 406, text, "basic.publish"):
        channel.basic_publish("", "q", "?", Properties(reply_to=PSEUDO))


def test_s117_the_receiver_sees_an_address_and_replies_to_it(broker: Rig, channel: Channel) -> None:
    inbox, address = asks(broker, channel)
    assert address.startswith(f"{PSEUDO}.")
    assert len(address) > len(PSEUDO) + 20
    answer = Properties(correlation_id="7")
    broker.channel().basic_publish("", address, "!", answer, mandatory=True)
    assert inbox.take() == ["replies:!"]
    assert inbox.properties == [answer]


def test_s117_each_channel_has_an_address_of_its_own(broker: Rig) -> None:
    (first, address), (second, other) = (asks(broker, broker.channel()) for _ in range(2))
    assert address != other
    broker.put(other, "for the second")
    assert (first.take(), second.take()) == ([], ["replies:for the second"])


def test_s117_an_ordinary_reply_to_is_left_alone(broker: Rig, channel: Channel) -> None:
    broker.queue_declare("q")
    broker.put("q", "?", reply_to="my.replies")
    assert broker.get(channel, "q").properties.reply_to == "my.replies"


def test_s117_seen_live_replies_carry_the_next_delivery_tag_and_use_none_up(
    old_broker: Rig,
) -> None:
    broker = old_broker
    channel = broker.channel()
    broker.queue_declare("q")
    broker.put("q", "1", "2")
    inbox, address = asks(broker, channel)
    assert broker.get(channel, "q").tag == 1
    broker.put(address, "!", "!!")
    assert [(tag, body) for _, tag, body, _ in inbox.deliveries] == [(2, "!"), (2, "!!")]
    assert broker.get(channel, "q").tag == 2


def test_s117_seen_live_a_reply_may_be_copied_to_a_queue(old_broker: Rig) -> None:
    broker = old_broker
    inbox, address = asks(broker, broker.channel())
    broker.queue_declare("log")
    broker.put(address, "!", headers={"CC": ["log"]})
    assert (inbox.take(), broker.drain("log")) == (["replies:!"], ["!"])


def test_s117_a_reply_goes_through_the_default_exchange_alone(
    broker: Rig, channel: Channel
) -> None:
    inbox, address = asks(broker, channel)
    broker.channel().basic_publish("amq.direct", address, "!")
    assert inbox.take() == []


def test_s118_the_server_may_ask_whether_the_requester_lives(broker: Rig, channel: Channel) -> None:
    _, address = asks(broker, channel)
    server = broker.channel()
    for answer in (server.queue_declare(address), server.queue_declare(address, passive=True)):
        assert (answer.queue, answer.message_count, answer.consumer_count) == (address, 0, 1)
    channel.close()
    with broker.refusing(server, 404, f"no queue '{address}' in vhost '/'", "queue.declare"):
        server.queue_declare(address, passive=True)


def test_s118_seen_live_the_pseudo_queue_itself_is_there_for_everybody(old_broker: Rig) -> None:
    channel = old_broker.channel()
    for passive in (True, False):
        answer = channel.queue_declare(PSEUDO, passive=passive)
        assert (answer.queue, answer.message_count, answer.consumer_count) == (PSEUDO, 0, 1)
    assert channel.queue_delete(PSEUDO).message_count == 0


@pytest.mark.parametrize("passive", [True, False])
def test_s118_seen_live_an_address_nobody_waits_at(old_broker: Rig, passive: bool) -> None:
    channel = old_broker.channel()
    text = f"no queue '{PSEUDO}.garbage' in vhost '/'"
    with old_broker.refusing(channel, 404, text, "queue.declare"):
        channel.queue_declare(f"{PSEUDO}.garbage", passive=passive)


NOT_QUEUES: dict[str, Callable[[Channel, str], object]] = {
    "queue.bind": lambda channel, name: channel.queue_bind(name, "amq.direct", "k"),
    "basic.get": lambda channel, name: channel.basic_get(name),
    "queue.purge": lambda channel, name: channel.queue_purge(name),
}


@pytest.mark.parametrize("method", NOT_QUEUES)
def test_s118_seen_live_for_all_else_there_is_no_such_queue(old_broker: Rig, method: str) -> None:
    channel = old_broker.channel()
    _, address = asks(old_broker, old_broker.channel())
    for name in (PSEUDO, address):
        channel = old_broker.channel()
        with old_broker.refusing(channel, 404, f"no queue '{name}' in vhost '/'", method):
            NOT_QUEUES[method](channel, name)


@pytest.mark.parametrize("profile", ["4.2", "4.3"])
@pytest.mark.parametrize("method", ["queue.bind", "queue.unbind"])
def test_s118_today_binding_it_is_refused_as_such(make: Make, profile: str, method: str) -> None:
    broker = make(profile)
    _, address = asks(broker, broker.channel())
    text = "cannot bind or unbind to a volatile (direct reply-to) queue"
    for name in (PSEUDO, address):
        channel = broker.channel()
        with broker.refusing(channel, 403, text, method):
            call = channel.queue_bind if method == "queue.bind" else channel.queue_unbind
            call(name, "amq.direct", "k")


@pytest.mark.parametrize("end", ["cancel", "close"])
@pytest.mark.parametrize(
    ("profile", "returned"), [("3.10", True), ("3.13", True), ("4.2", False), ("4.3", False)]
)
def test_s119_a_mandatory_reply_to_a_requester_that_is_gone(
    make: Make, profile: str, returned: bool, end: str
) -> None:
    broker = make(profile)
    channel = broker.channel()
    inbox, address = asks(broker, channel)
    channel.basic_cancel("replies") if end == "cancel" else channel.close()
    server = broker.channel()
    returns = broker.returns(server)
    server.basic_publish("", address, "!", mandatory=True)
    assert inbox.take() == []
    assert returns == ([(312, "NO_ROUTE", "", address, "!")] if returned else [])


@pytest.mark.parametrize(
    ("profile", "returned"), [("3.10", True), ("3.13", True), ("4.2", False), ("4.3", False)]
)
def test_s119_one_that_arrives_was_returned_too_since_it_reached_no_queue(
    make: Make, profile: str, returned: bool
) -> None:
    broker = make(profile)
    inbox, address = asks(broker, broker.channel())
    server = broker.channel()
    returns = broker.returns(server)
    server.basic_publish("", address, "!", mandatory=True)
    assert inbox.take() == ["replies:!"]
    assert len(returns) == returned
