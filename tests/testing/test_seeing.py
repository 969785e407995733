"""What a test sees without a client: messages, routes, journals, assertions that explain."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pika
import pytest

from leveret.properties import Properties
from leveret.testing import headers_with, json_equal, json_with

if TYPE_CHECKING:
    from leveret.testing import Amqp

Connect = Callable[..., Any]


@pytest.fixture(autouse=True)
def shop(amqp: Amqp) -> None:
    """Declare a small shop."""
    broker = amqp.broker
    broker.exchange_declare("orders", "topic", durable=True)
    broker.exchange_declare("dead", "fanout", durable=True)
    broker.queue_declare("billing", arguments={"x-dead-letter-exchange": "dead"})
    broker.queue_declare("shipping")
    broker.queue_declare("morgue")
    broker.queue_bind("billing", "orders", "order.*.paid")
    broker.queue_bind("shipping", "orders", "order.*.packed")
    broker.queue_bind("morgue", "dead")


def steps(amqp: Amqp, index: int = -1) -> list[tuple[str, str | None]]:
    return [(step.what, step.queue) for step in amqp.published[index].steps]


def test_a_queue_is_looked_at_without_consuming(amqp: Amqp, connect: Connect) -> None:
    channel = connect().channel()
    properties = pika.BasicProperties(headers={"tenant": "a"}, delivery_mode=2)
    channel.basic_publish("orders", "order.1.paid", b'{"id": 1}', properties)
    channel.basic_publish("orders", "order.2.paid", b"two")
    amqp.wait_idle()
    channel.basic_get("billing")
    view = amqp.queue("billing")
    assert (len(view), view.bodies, view.consumers) == (1, [b"two"], ())
    [out] = view.unacked
    assert (out.json, out.headers, out.routing_key) == ({"id": 1}, {"tenant": "a"}, "order.1.paid")
    assert view.messages[0].text == "two"
    with pytest.raises(LookupError, match="no queue 'biling'; there are: 'billing', 'shipping'"):
        amqp.queue("biling")


def test_the_journal_follows_a_message_from_publish_to_ack(amqp: Amqp, connect: Connect) -> None:
    channel = connect().channel()
    channel.confirm_delivery()
    channel.basic_publish("orders", "order.1.paid", b"1")
    method, _, _ = channel.basic_get("billing")
    channel.basic_nack(method.delivery_tag)
    method, _, _ = channel.basic_get("billing")
    assert method.redelivered
    assert not amqp.published[0].is_settled
    channel.basic_ack(method.delivery_tag)
    amqp.wait_idle()
    assert steps(amqp) == [
        ("published", None),
        ("queued", "billing"),
        ("confirmed", None),
        ("delivered", "billing"),
        ("requeued", "billing"),
        ("delivered", "billing"),
        ("acked", "billing"),
    ]
    assert amqp.published[0].is_settled
    assert amqp.published[0].queues == ("billing",)
    text = str(amqp.published[0])
    assert text.splitlines()[0] == "orders 'order.1.paid' '1'"
    assert "  +0.000 s  delivered  billing  by basic.get, redelivered" in text.splitlines()


def test_the_journal_follows_a_message_through_its_deaths(amqp: Amqp) -> None:
    amqp.publish("orders", "order.1.paid", "x", properties=Properties(expiration="1000"))
    amqp.clock.advance("1s")
    assert steps(amqp) == [
        ("published", None),
        ("queued", "billing"),
        ("expired", "billing"),
        ("dead-lettered", "billing"),
        ("queued", "morgue"),
    ]
    [dead] = amqp.dead_letters
    assert (dead.queue, dead.reason, dead.targets) == ("billing", "expired", ("morgue",))
    assert dead.message is amqp.published[0]
    assert amqp.get("morgue") is not None
    assert amqp.published[0].state == {"billing": "expired", "morgue": "acked"}


@pytest.mark.parametrize(
    ("arguments", "end"),
    [
        ({"x-max-length": 1}, "dropped"),
        ({"x-max-length": 1, "x-overflow": "reject-publish"}, "refused"),
    ],
)
def test_the_journal_says_what_a_limit_did(amqp: Amqp, arguments: dict[str, Any], end: str) -> None:
    amqp.broker.queue_declare("q", arguments=arguments)
    first, second = amqp.publish("", "q", "1"), amqp.publish("", "q", "2")
    lost = first if end == "dropped" else second
    assert lost.state == {"q": end}


def test_the_journal_says_what_a_purge_and_a_deletion_took(amqp: Amqp) -> None:
    one = amqp.publish("", "shipping", "1")
    amqp.broker.queue_purge("shipping")
    two = amqp.publish("", "shipping", "2")
    amqp.broker.basic_get("shipping")
    three = amqp.publish("", "shipping", "3")
    amqp.broker.queue_purge("shipping")
    assert two.state == {"shipping": "delivered"}
    amqp.broker.queue_delete("shipping")
    assert [m.state["shipping"] for m in (one, two, three)] == ["purged"] * 3


def test_the_journal_follows_transactions(amqp: Amqp) -> None:
    channel = amqp.broker.channel()
    channel.tx_select()
    channel.basic_publish("", "shipping", "1")
    assert steps(amqp) == [("published", None)]
    channel.tx_commit()
    assert steps(amqp) == [("published", None), ("queued", "shipping")]
    channel.basic_publish("", "shipping", "2")
    channel.tx_rollback()
    assert steps(amqp) == [("published", None)]


def test_what_reached_no_queue_is_told_apart(amqp: Amqp, connect: Connect) -> None:
    amqp.publish("orders", "order.1.lost")
    channel = connect().channel()
    channel.basic_publish("orders", "order.2.lost", b"", mandatory=True)
    amqp.wait_idle()
    assert [(m.routing_key, m.mandatory) for m in amqp.unroutable] == [
        ("order.1.lost", False),
        ("order.2.lost", True),
    ]
    assert steps(amqp) == [("published", None), ("returned", None)]


def test_a_published_message_has_the_route_it_took(amqp: Amqp) -> None:
    taken = amqp.publish("orders", "order.1.paid")
    amqp.broker.queue_unbind("billing", "orders", "order.*.paid")
    missed = amqp.publish("orders", "order.1.paid")
    assert taken.route.queues == ("billing",)
    assert missed.route.queues == ()
    copied = Properties(headers={"BCC": ["order.2.packed"]})
    assert amqp.publish("orders", "x", properties=copied).route.queues == ("shipping",)


def test_a_wrong_route_is_explained(amqp: Amqp) -> None:
    amqp.assert_routed("orders", "order.1.paid", to=["billing"])
    with pytest.raises(AssertionError) as caught:
        amqp.assert_routed("orders", "order.1.pay", to=["billing", "morgue"])
    assert str(caught.value).splitlines() == [
        "'order.1.pay' published to exchange 'orders' goes elsewhere",
        "it should reach 'billing', 'morgue' too, and does not:",
        "- 'billing': nearest binding 'order.*.paid' of exchange 'orders': word 3 is 'pay', the"
        " pattern wants 'paid'",
        "- 'morgue': no exchange on the way has a binding to it",
        "exchange 'orders' (topic) ◀─ routing key 'order.1.pay'",
        "├─ ✘ 'order.*.paid'   ─▶ queue 'billing': word 3 is 'pay', the pattern wants 'paid'"
        "  ◀ nearest miss",
        "└─ ✘ 'order.*.packed' ─▶ queue 'shipping': word 3 is 'pay', the pattern wants 'packed'",
        "✘ reaches no queue: returned if published as mandatory, dropped otherwise",
    ]
    with pytest.raises(AssertionError, match="it reaches 'billing', and should not"):
        amqp.assert_routed("orders", "order.1.paid", to=[])


def test_published_messages_are_found_by_what_is_said_of_them(amqp: Amqp) -> None:
    amqp.publish("orders", "order.1.paid", {"id": 1, "total": 49}, headers={"tenant": "a"})
    one = amqp.publish("orders", "order.2.paid", {"id": 2, "total": 12}, headers={"tenant": "b"})
    assert amqp.assert_published("orders", "order.*.paid", body=json_with(id=2)) is one
    amqp.assert_published(body={"total": 49, "id": 1}, headers={"tenant": "a"}, to=["billing"])
    amqp.assert_published(headers=headers_with(tenant="b"), content_type="application/json")
    amqp.assert_published("orders", count=2)
    amqp.assert_published("orders", body=b'{"id": 1, "total": 49}', count=1)
    amqp.assert_not_published("orders", "order.3.paid")


def test_a_message_that_was_not_published_is_set_beside_those_that_were(amqp: Amqp) -> None:
    with pytest.raises(AssertionError, match="nothing was published"):
        amqp.assert_published("orders")
    amqp.publish("orders", "order.1.paid", {"id": 1})
    amqp.publish("", "shipping", "no JSON")
    with pytest.raises(AssertionError) as caught:
        amqp.assert_published("orders", "order.1.paid", body=json_with(id=7), priority=5)
    assert str(caught.value).splitlines() == [
        "no message to exchange 'orders' with routing key 'order.1.paid' with body json_with(id=7)"
        " with priority 5 was published",
        "- orders 'order.1.paid': body '{\"id\": 1}', priority None",
        "- (default) 'shipping': exchange '', routing key 'shipping', body 'no JSON',"
        " priority None",
    ]
    with pytest.raises(AssertionError, match="1 of message to exchange 'orders' published, not 0"):
        amqp.assert_not_published("orders")


def test_unacknowledged_messages_are_listed_with_who_holds_them(
    amqp: Amqp, connect: Connect
) -> None:
    amqp.assert_no_unacked()
    for body in ("1", "2", "3"):
        amqp.publish("", "shipping", body)
    channel = connect("worker").channel()
    channel.basic_get("shipping")
    channel.basic_qos(prefetch_count=2)
    channel.basic_consume("shipping", lambda *_: None, consumer_tag="ctag")
    with pytest.raises(AssertionError) as caught:
        amqp.assert_no_unacked()
    head, consumed, got = str(caught.value).splitlines()
    assert head == "messages are not acknowledged:"
    assert consumed.startswith("- 2 of queue 'shipping' delivered to consumer 'ctag' of worker (")
    assert got == "- 1 of queue 'shipping' taken by basic.get, not acknowledged"
    with pytest.raises(AssertionError, match="- shipping: 0 ready, 3 unacknowledged, first '1'"):
        amqp.assert_queues_empty()
    amqp.assert_queues_empty("billing", "morgue")


def test_matchers_equal_what_fits_and_show_what_they_want() -> None:
    assert json_equal([1]) == b"[1]"
    assert json_with(a={"b": 1}) == '{"a": {"b": 1, "c": 2}}'
    assert json_with() != b"no json"
    assert json_equal(5) != 5
    assert headers_with() == {"a": 1}
    assert headers_with(a=2) != {"a": 1}
    assert repr(json_with(id=7, eu=True)) == "json_with(id=7, eu=True)"
    assert repr(headers_with(a="b")) == "headers_with(a='b')"


def test_what_was_published_can_be_forgotten(amqp: Amqp) -> None:
    amqp.publish("", "shipping", "1")
    amqp.forget()
    assert amqp.published == []
    amqp.publish("", "shipping", "2")
    assert [m.text for m in amqp.published] == ["2"]
    assert len(amqp.queue("shipping")) == 2
    amqp._journal.check()


def test_a_stub_service_answers_requests(amqp: Amqp, connect: Connect) -> None:
    quotes = amqp.reply_to("quotes", lambda body: {"price": len(body)})
    echo = amqp.reply_to("echo", lambda body, properties: f"{properties.type}: {body.decode()}")
    channel = connect().channel()
    replies: list[Any] = []
    channel.basic_consume(
        "amq.rabbitmq.reply-to",
        lambda _, __, properties, body: replies.append((properties.correlation_id, body)),
        auto_ack=True,
    )

    def ask(queue: str, body: bytes, **properties: Any) -> Any:
        asked = pika.BasicProperties(reply_to="amq.rabbitmq.reply-to", **properties)
        channel.basic_publish("", queue, body, asked)
        while not replies:
            channel.connection.process_data_events(1)
        return replies.pop()

    assert ask("quotes", b"four", correlation_id="7") == ("7", b'{"price": 4}')
    assert ask("echo", b"hi", type="greeting") == (None, b"greeting: hi")
    assert (quotes.requests, echo.requests) == ([b"four"], [b"hi"])
    channel.basic_publish("", "quotes", b"wants no reply")
    amqp.wait_idle()
    quotes.stop()
    channel.basic_publish("", "quotes", b"nobody there")
    amqp.wait_until(lambda: len(amqp.queue("quotes")) == 1)
    assert [m.queues for m in amqp.unroutable] == []


def test_a_stub_service_outlives_a_restart(amqp: Amqp) -> None:
    with amqp.reply_to("quotes", lambda body: body) as quotes:
        amqp.restart()
        reply = amqp.broker.requests().call("", "quotes", b"x", timeout_ms=1000)
        amqp.wait_until(lambda: reply.done)
        assert reply.result().body == b"x"
    assert quotes.is_stopped
