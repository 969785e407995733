"""Dead letters of a broker in this process: read, chosen, counted, sent back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pika
import pytest

import leveret
from leveret import Properties
from leveret.dead_letters import Address, DeadLetterQueue, RedrivePlan, Selection
from leveret.errors import NotFound

if TYPE_CHECKING:
    from pathlib import Path


def dead_lettering(queue: str, **arguments: Any) -> dict[str, Any]:
    return {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": queue} | arguments


@pytest.fixture
def broker() -> leveret.Broker:
    """Make a broker in which `billing` dead-letters to `dlq`."""
    broker = leveret.Broker(clock=leveret.ManualClock())
    broker.exchange_declare("orders", "topic")
    broker.queue_declare("dlq")
    broker.queue_declare("billing", arguments=dead_lettering("dlq"))
    broker.queue_bind("billing", "orders", "order.#")
    return broker


def publish_dead(
    broker: leveret.Broker, *bodies: str, key: str = "order.1", headers: Any = None
) -> None:
    for body in bodies:
        broker.basic_publish("orders", key, body, Properties(headers=headers))
        method, _, _ = broker.basic_get("billing")
        assert method is not None
        broker.basic_reject(method.delivery_tag, requeue=False)


def bodies(broker: leveret.Broker, queue: str) -> list[str]:
    found = []
    while (body := broker.basic_get(queue, auto_ack=True)[2]) is not None:
        found.append(body.decode())
    return found


def test_a_letter_tells_its_first_and_its_last_death(broker: leveret.Broker) -> None:
    broker.queue_declare("retry", arguments=dead_lettering("billing", **{"x-message-ttl": 1000}))
    broker.queue_declare("work", arguments=dead_lettering("retry"))
    broker.basic_publish("", "work", "x", Properties(headers={"CC": ["copy"]}, message_id="m"))
    method, _, _ = broker.basic_get("work")
    assert method is not None
    broker.basic_reject(method.delivery_tag, requeue=False)
    broker.clock.advance(seconds=1)  # type: ignore[attr-defined]
    method, _, _ = broker.basic_get("billing")
    assert method is not None
    broker.basic_reject(method.delivery_tag, requeue=False)
    [letter] = DeadLetterQueue(broker, "dlq").show()
    assert (letter.reason, letter.queue) == ("rejected", "billing")
    assert (letter.first_reason, letter.first_queue) == ("rejected", "work")
    assert (letter.exchange, letter.routing_key, letter.extra_keys) == ("", "work", ("copy",))
    assert [(d.queue, d.reason, d.count) for d in letter.deaths] == [
        ("billing", "rejected", 1),
        ("retry", "expired", 1),
        ("work", "rejected", 1),
    ]
    assert letter.age_ms(broker.clock.now_ms() + 5000) == 5000
    assert letter.message_id == "m"


@pytest.mark.parametrize(
    "headers",
    [
        {"x-death": "gone"},
        {"x-death": [1, None]},
        {"x-death": [{"count": "many", "queue": 5, "time": 7, "routing-keys": "k"}]},
        {"x-last-error": 5, "x-attempt": True, "x-first-death-queue": None},
    ],
)
def test_headers_that_make_no_sense_do_no_harm(broker: leveret.Broker, headers: Any) -> None:
    broker.basic_publish("", "dlq", "x", Properties(headers=headers))
    letters = DeadLetterQueue(broker, "dlq")
    [letter] = letters.show()
    assert (letter.queue or None, letter.error, letter.attempt) == (None, None, None)
    report = letters.redrive()
    assert (report.redriven, sum(report.refused.values())) == (0, 1)


@pytest.mark.parametrize(
    ("selection", "meant"),
    [
        (Selection(), "abcd"),
        (Selection(reason="rejected", queue="billing"), "abcd"),
        (Selection(reason="expired"), ""),
        (Selection(routing_key="order.2"), "d"),
        (Selection(routing_key="*.1", exchange="orders"), "abc"),
        (Selection(headers={"n": 1}), "bc"),
        (Selection(headers={"n": True}), ""),
        (Selection(body="b"), "b"),
        (Selection(body=b"\xff"), ""),
        (Selection(error="refused"), "d"),
        (Selection(older_than_ms=1000), "a"),
        (Selection(newer_than_ms=1000), "bcd"),
    ],
)
def test_letters_are_chosen(broker: leveret.Broker, selection: Selection, meant: str) -> None:
    publish_dead(broker, "a")
    broker.clock.advance(seconds=1)  # type: ignore[attr-defined]
    publish_dead(broker, "b", "c", headers={"n": 1})
    publish_dead(broker, "d", key="order.2", headers={"x-last-error": "refused by bank"})
    letters = DeadLetterQueue(broker, "dlq")
    assert "".join(letter.body.decode() for letter in letters.show(selection)) == meant
    assert sum(group.count for group in letters.list(selection=selection)) == len(meant)
    report = letters.redrive(selection)
    assert (report.redriven, report.left) == (len(meant), 4 - len(meant))
    assert "".join(bodies(broker, "billing")) == meant
    assert "".join(bodies(broker, "dlq")) == "".join(x for x in "abcd" if x not in meant)


def test_letters_are_counted_most_first(broker: leveret.Broker) -> None:
    publish_dead(broker, "a")
    broker.clock.advance(seconds=60)  # type: ignore[attr-defined]
    publish_dead(broker, "bb", "cc", key="order.2")
    publish_dead(broker, "d")
    [two, one] = DeadLetterQueue(broker, "dlq").list(by=("routing-key",))
    assert (two.values, two.count, two.body_bytes) == ({"routing-key": "order.1"}, 2, 2)
    assert (one.values, one.count, one.body_bytes) == ({"routing-key": "order.2"}, 2, 4)
    assert two.oldest_ms is not None
    assert two.newest_ms is not None
    assert two.newest_ms - two.oldest_ms == 60_000
    with pytest.raises(ValueError, match="cannot be grouped by 'colour'"):
        DeadLetterQueue(broker, "dlq").list(by=("colour",))


def test_looking_does_not_touch_a_message(broker: leveret.Broker) -> None:
    publish_dead(broker, "a", "b")
    letters = DeadLetterQueue(broker, "dlq")
    letters.list()
    letters.show()
    assert letters.redrive(dry_run=True).targets == {Address("", "billing"): 2}
    method, _, body = broker.basic_get("dlq")
    assert method is not None
    assert (body, method.redelivered, method.message_count) == (b"a", False, 1)


def test_a_redriven_letter_starts_afresh(broker: leveret.Broker) -> None:
    publish_dead(broker, "a", headers={"x-attempt": 5, "region": "eu"})
    DeadLetterQueue(broker, "dlq").redrive()
    _, properties, _ = broker.basic_get("billing")
    assert properties is not None
    assert properties.headers == {"region": "eu"}


def test_a_letter_goes_nowhere_else_by_its_carbon_copies(broker: leveret.Broker) -> None:
    broker.exchange_declare("dead", "fanout")
    broker.queue_bind("dlq", "dead")
    broker.queue_declare("work", arguments={"x-dead-letter-exchange": "dead"})
    broker.queue_declare("copy")
    broker.basic_publish("", "work", "a", Properties(headers={"CC": ["copy"]}))
    method, _, _ = broker.basic_get("work")
    assert method is not None
    broker.basic_reject(method.delivery_tag, requeue=False)
    assert bodies(broker, "copy") == ["a"]
    letters = DeadLetterQueue(broker, "dlq")
    letters.redrive(to="billing")
    assert (bodies(broker, "billing"), bodies(broker, "copy")) == (["a"], [])


def test_a_limit_takes_the_first_letters(broker: leveret.Broker) -> None:
    publish_dead(broker, "a", "b", "c")
    report = DeadLetterQueue(broker, "dlq").redrive(limit=2)
    assert (report.redriven, report.left) == (2, 1)
    assert (bodies(broker, "billing"), bodies(broker, "dlq")) == (["a", "b"], ["c"])


def test_what_dies_again_waits_for_the_next_redrive(broker: leveret.Broker) -> None:
    publish_dead(broker, "a", "b")
    rejecting = broker.channel()
    rejecting.basic_consume(
        "billing", lambda ch, method, *_: ch.basic_reject(method.delivery_tag, requeue=False)
    )
    assert DeadLetterQueue(broker, "dlq").redrive().redriven == 2
    assert [letter.body for letter in DeadLetterQueue(broker, "dlq").show()] == [b"a", b"b"]


def test_a_letter_published_again_may_come_back_to_its_own_queue(broker: leveret.Broker) -> None:
    broker.queue_bind("dlq", "orders", "order.#")
    publish_dead(broker, "a")
    broker.basic_get("dlq", auto_ack=True)
    report = DeadLetterQueue(broker, "dlq").redrive(back_to="published")
    assert report.targets == {Address("orders", "order.1"): 1}
    assert (bodies(broker, "billing"), bodies(broker, "dlq")) == (["a"], ["a"])


@pytest.mark.parametrize(
    ("redrive", "reason"),
    [
        ({"to": "nowhere"}, "no queue 'nowhere' in vhost '/'"),
        ({"to": "full"}, "queue 'full' takes no more"),
        ({"back_to": "published"}, "exchange 'orders', routing key 'order.1' reaches no queue"),
    ],
)
def test_a_letter_that_cannot_go_stays(
    broker: leveret.Broker, redrive: dict[str, Any], reason: str
) -> None:
    broker.queue_declare("full", arguments={"x-max-length": 0, "x-overflow": "reject-publish"})
    publish_dead(broker, "a")
    broker.queue_unbind("billing", "orders", "order.#")
    report = DeadLetterQueue(broker, "dlq").redrive(**redrive)
    assert (report.redriven, report.refused) == (0, {reason: 1})
    assert bodies(broker, "dlq") == ["a"]


def test_a_mistake_in_the_call_is_refused(broker: leveret.Broker) -> None:
    with pytest.raises(ValueError, match="back_to is one of last-death, first-death, published"):
        RedrivePlan("dlq", back_to="home")
    with pytest.raises(ValueError, match="in queue 'dlq' already"):
        DeadLetterQueue(broker, "dlq").redrive(to="dlq")
    with pytest.raises(NotFound, match="no queue 'nowhere'"):
        DeadLetterQueue(broker, "nowhere").show()


def test_a_redrive_survives_a_restart_as_a_whole(tmp_path: Path) -> None:
    with_data = leveret.Broker(data=tmp_path)
    persistent = Properties(delivery_mode=2)
    with_data.queue_declare("dlq")
    with_data.queue_declare("billing", arguments=dead_lettering("dlq"))
    for body in "abc":
        with_data.basic_publish("", "billing", body, persistent)
        method, _, _ = with_data.basic_get("billing")
        assert method is not None
        with_data.basic_reject(method.delivery_tag, requeue=False)
    DeadLetterQueue(with_data, "dlq").redrive(Selection(body="b"))
    with_data.close()
    again = leveret.Broker(data=tmp_path)
    assert (bodies(again, "billing"), bodies(again, "dlq")) == (["b"], ["a", "c"])
    again.close()


def test_a_redrive_goes_on_step_by_step_and_can_be_ended(broker: leveret.Broker) -> None:
    publish_dead(broker, "a", "b", "c", "d")
    redriving = DeadLetterQueue(broker, "dlq").prepare(RedrivePlan("dlq"))
    redriving.step(1)
    broker.basic_get("dlq", auto_ack=True)  # somebody takes b
    redriving.step(2)
    assert (redriving.processed, redriving.count, redriving.is_done) == (3, 4, False)
    redriving.cancel()
    assert redriving.is_done
    assert (redriving.report().redriven, redriving.report().left) == (2, 1)
    assert (bodies(broker, "billing"), bodies(broker, "dlq")) == (["a", "c"], ["d"])


def test_letters_that_came_in_a_row_over_a_socket_part_where_one_is_taken(
    broker: leveret.Broker,
) -> None:
    with broker.serve(port=0) as server:
        connection = pika.BlockingConnection(pika.URLParameters(server.url))
        channel = connection.channel()
        with server.lock:  # so that the server reads them all at once
            for number in range(40):
                channel.basic_publish("", "dlq", str(number).encode())
        channel.queue_declare("dlq", passive=True)
        connection.close()
        letters = DeadLetterQueue(broker, "dlq", lock=server.lock)
        assert letters.redrive(Selection(body="7"), to="billing").redriven == 4
        broker.check()
    assert bodies(broker, "billing") == ["7", "17", "27", "37"]
    assert bodies(broker, "dlq") == [str(n) for n in range(40) if n % 10 != 7]


def test_a_redriven_letter_is_no_duplicate_of_itself(broker: leveret.Broker) -> None:
    for more in ({}, {"x-cache-size": 10}):
        arguments = dead_lettering("dlq", **{"x-message-deduplication": True}, **more)
        broker.queue_declare("once", arguments=arguments)
        properties = Properties(headers={"x-deduplication-header": 1})
        broker.basic_publish("", "once", "x", properties)
        method, _, _ = broker.basic_get("once")
        assert method is not None
        broker.basic_reject(method.delivery_tag, requeue=False)
        assert DeadLetterQueue(broker, "dlq").redrive().redriven == 1
        assert bodies(broker, "once") == ["x"]
        broker.queue_delete("once")


def test_a_letter_that_left_a_deduplicating_queue_may_come_again(broker: leveret.Broker) -> None:
    broker.queue_delete("dlq")
    broker.queue_declare("dlq", arguments={"x-message-deduplication": True})
    for body in "ab":
        publish_dead(broker, body, headers={"x-deduplication-header": 1})
    assert DeadLetterQueue(broker, "dlq").redrive().redriven == 1
    broker.check()
    publish_dead(broker, "c", headers={"x-deduplication-header": 1})
    assert bodies(broker, "dlq") == ["a"], "what was redriven died first"


def test_a_redrive_at_a_rate_goes_on_with_the_clock(broker: leveret.Broker) -> None:
    publish_dead(broker, *"abcde")
    done: list[int] = []
    letters = DeadLetterQueue(broker, "dlq")
    redriving = letters.start("2/s", limit=4, on_done=lambda report: done.append(report.redriven))
    counts = [redriving.report().redriven]
    for _ in range(4):
        broker.clock.advance(ms=499)  # type: ignore[attr-defined]
        counts.append(redriving.report().redriven)
        broker.clock.advance(ms=1)  # type: ignore[attr-defined]
    assert counts == [1, 1, 2, 3, 4]
    assert (done, bodies(broker, "billing"), bodies(broker, "dlq")) == ([4], [*"abcd"], ["e"])
    with pytest.raises(ValueError, match="'fast' is no rate: write 50/s"):
        letters.start("fast")
