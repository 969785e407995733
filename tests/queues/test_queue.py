"""One queue with a host made of lists: what it delivers, keeps, lets die and refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from attrs import define, field

from leveret.properties import Properties
from leveret.queues import Consumer, Message, Queue, QueuedMessage, QueuedRun, QueueSettings
from leveret.queues.rules import QueueRules

if TYPE_CHECKING:
    from collections.abc import Callable

    from leveret.queues import AnyMessage


@define(eq=False)
class Host:
    """A virtual host on a clock of its own, which takes note of what it is told."""

    time_ms: int = 1_000_000
    mark_gap_s: float = 0.0
    calls: list[tuple[int, Callable[[], None]]] = field(factory=list)
    # (body, reason)
    deaths: list[tuple[str, str]] = field(factory=list)
    ended: list[str] = field(factory=list)

    def now_ms(self) -> int:
        return self.time_ms

    def describe(self, kind: str, name: str) -> str:
        return f"{kind} '{name}'"

    def tick(self) -> float:
        return self.time_ms / 1000

    def call_at(self, deadline_ms: int, call: Callable[[], None]) -> None:
        self.calls.append((deadline_ms, call))
        self.calls.sort(key=lambda due: due[0])

    def soon(self, call: Callable[[], None]) -> None:
        call()

    def message_died(self, queue: Queue, message: AnyMessage, reason: str) -> None:
        self.deaths.append((message.body.decode(), reason))

    def duplicate_dropped(self, queue: Queue, message: AnyMessage) -> None:
        raise NotImplementedError

    def queue_ended(self, queue: Queue, reason: str) -> None:
        self.ended.append(reason)
        queue.delete()

    def advance(self, ms: int) -> None:
        end_ms = self.time_ms + ms
        while self.calls and self.calls[0][0] <= end_ms:
            self.time_ms, call = self.calls.pop(0)
            call()
        self.time_ms = end_ms


@define(eq=False)
class Channel:
    """A channel that holds what it is given."""

    open: bool = True
    held: dict[str, QueuedMessage] = field(factory=dict)
    # (consumer tag, body, redelivered)
    got: list[tuple[str, str, bool]] = field(factory=list)
    cancelled: list[str] = field(factory=list)

    def can_receive(self) -> bool:
        return self.open

    def receive(self, consumer: Consumer, entry: QueuedMessage) -> None:
        body = entry.message.body.decode()
        self.got.append((consumer.tag, body, entry.redelivered))
        if not consumer.no_ack:
            consumer.unacked += 1
            entry.consumer = consumer
            self.held[body] = entry

    def room(self, count: int) -> int:
        return count

    def receive_run(self, consumer: Consumer, queued: QueuedRun) -> None:
        for entry in queued.entries():
            self.receive(consumer, entry)

    def pass_on(self, consumer: Consumer, message: AnyMessage) -> None:
        self.got.append((consumer.tag, message.body.decode(), False))

    def consumer_cancelled(self, consumer: Consumer) -> None:
        self.cancelled.append(consumer.tag)

    def take(self, bodies: str) -> list[QueuedMessage]:
        return [self.held.pop(body) for body in bodies]

    def turns(self) -> str:
        """Return who got what since the last look: `a1 b2`."""
        turns = " ".join(tag + body for tag, body, _ in self.got)
        self.got.clear()
        return turns


@define(eq=False)
class Bench:
    """A queue, its host, and one channel to try it with; messages have bodies of one letter."""

    queue: Queue
    host: Host
    channel: Channel = field(factory=Channel)

    def publish(
        self,
        bodies: str,
        *,
        priority: int | None = None,
        expiration_ms: int | None = None,
        padding: int = 0,
    ) -> list[bool]:
        properties = Properties(priority=priority)
        made = [
            Message("", "q", properties, body.encode() + b"." * padding, expiration_ms)
            for body in bodies
        ]
        taken = [self.queue.publish(message) for message in made]
        self.queue.check()
        return taken

    def get(self, count: int = 1) -> list[QueuedMessage]:
        entries = []
        for _ in range(count):
            entry = self.queue.get()
            self.queue.check()
            assert entry is not None
            entries.append(entry)
        return entries

    def requeue(self, entries: list[QueuedMessage], *, failed: bool = True) -> None:
        self.queue.requeue(entries, failed=failed)
        self.queue.check()

    def consume(self, tag: str, prefetch: int = 0, priority: int = 0, **more: Any) -> Consumer:
        consumer = Consumer(
            tag, self.queue, self.channel, prefetch=prefetch, priority=priority, **more
        )
        self.queue.subscribe(consumer)
        self.queue.start()
        self.queue.check()
        return consumer

    def ready(self) -> str:
        return "".join(entry.message.body.decode()[0] for entry in self.queue.ready)

    def advance(self, ms: int) -> None:
        self.host.advance(ms)
        self.queue.check()

    def deaths(self) -> str:
        """Return what died since the last look: `a:expired b:maxlen`."""
        deaths = " ".join(f"{body[0]}:{reason}" for body, reason in self.host.deaths)
        self.host.deaths.clear()
        return deaths


def bench(rules: QueueRules | None = None, auto_delete: bool = False, **settings: Any) -> Bench:
    host = Host()
    queue = Queue(
        "q",
        host,
        QueueSettings(**settings),
        auto_delete=auto_delete,
        rules=rules or QueueRules(),
    )
    return Bench(queue, host)


# -- order


@pytest.mark.parametrize(
    ("settings", "back", "order"),
    [
        ({}, [1], "bde"),
        ({}, [1, 0, 2], "abcde"),
        ({}, [2], "cde"),
        ({"type": "quorum"}, [1], "bde"),
        ({"type": "quorum"}, [1, 0, 2], "bacde"),
    ],
)
def test_s80_requeued_messages_stand_where_they_stood(
    settings: dict[str, Any], back: list[int], order: str
) -> None:
    """S80; in a quorum queue they go first, in the order of their return."""
    b = bench(**settings)
    b.publish("abcde")
    taken = b.get(3)
    for number in back:
        b.requeue([taken[number]])
    assert b.ready() == order
    assert [entry.redelivered for entry in b.get(len(back))] == [True] * len(back)


def test_s80_several_at_once_keep_their_order() -> None:
    """S80."""
    b = bench()
    b.publish("abcde")
    b.requeue(b.get(3))
    assert b.ready() == "abcde"


def test_s80_seen_live_in_3_10_a_quorum_queue_without_limit_requeues_to_its_back() -> None:
    """S80."""
    b = bench(QueueRules(quorum_requeues_to_back=True), type="quorum")
    b.publish("abcde")
    first, second, third = b.get(3)
    for entry in (second, first, third):
        b.requeue([entry])
    assert b.ready() == "debac"


def test_s91_a_quorum_queue_that_requeues_to_its_back_lets_messages_expire_there() -> None:
    """S91."""
    b = bench(QueueRules(quorum_requeues_to_back=True), type="quorum", message_ttl_ms=10)
    b.publish("ab")
    b.requeue(b.get(2))
    b.advance(10)
    assert b.deaths() == "a:expired b:expired"


def test_s81_a_closed_channel_gives_back_before_others_get_later_messages() -> None:
    """S81."""
    b, other = bench(), Channel()
    b.publish("abcd")
    b.consume("x", prefetch=2)
    late = Consumer("y", b.queue, other, prefetch=3)
    b.queue.subscribe(late)
    taken = b.channel.take("ab")
    b.queue.receiver_left(b.channel)
    b.queue.take_back(taken)
    assert other.got == [("y", "a", True), ("y", "b", True), ("y", "c", False)]
    assert b.ready() == "d"
    b.queue.check()


@pytest.mark.parametrize(("cap", "order"), [(3, "bdfcae"), (1, "bcdfae"), (0, "abcdef")])
def test_s97_the_highest_priority_first_and_fifo_within_one(cap: int, order: str) -> None:
    """S97."""
    b = bench(max_priority=cap)
    for body, priority in zip("abcdef", [None, 3, 2, 3, 0, 9], strict=True):
        b.publish(body, priority=priority)
    assert b.ready() == order


def test_s97_what_a_consumer_holds_is_not_recalled_for_a_higher_priority() -> None:
    """S97."""
    b = bench(max_priority=5)
    b.publish("a", priority=1)
    b.consume("x", prefetch=1)
    b.publish("b", priority=5)
    b.publish("c", priority=3)
    assert b.channel.turns() == "xa"
    b.queue.ack(b.channel.take("a"))
    assert b.channel.turns() == "xb"


# -- consumers


def test_s83_the_highest_priority_is_served_while_it_can_take() -> None:
    """S83."""
    b = bench()
    b.consume("x", prefetch=2, priority=1)
    b.consume("y", prefetch=2, priority=5)
    b.publish("12345")
    assert b.channel.turns() == "y1 y2 x3 x4"
    b.queue.ack_one(b.channel.take("3")[0])
    assert b.channel.turns() == "x5"


def test_s74_s76_each_consumer_has_its_own_limit_and_one_without_acks_has_none() -> None:
    """S74, S76."""
    b = bench()
    b.consume("x", prefetch=1)
    b.consume("y", prefetch=1, no_ack=True)
    b.publish("1234")
    assert b.channel.turns() == "x1 y2 y3 y4"


def test_s71_a_cancelled_consumer_s_messages_stay_out() -> None:
    """S71."""
    b = bench()
    consumer = b.consume("x", prefetch=2)
    b.publish("123")
    b.queue.unsubscribe(consumer)
    assert b.ready() == "3"
    b.requeue(b.channel.take("1"))
    b.queue.ack(b.channel.take("2"))
    assert b.ready() == "13"
    assert b.queue.statistics().unacked == 0


def test_s70_an_exclusive_consumer_is_alone() -> None:
    """S70."""
    b = bench()
    consumer = b.consume("x")
    assert b.queue.accepts(exclusive=False)
    assert not b.queue.accepts(exclusive=True)
    b.queue.unsubscribe(consumer)
    alone = b.consume("y", exclusive=True)
    assert not b.queue.accepts(exclusive=False)
    b.queue.unsubscribe(alone)
    assert b.queue.accepts(exclusive=True)


def test_s84_a_single_active_consumer_is_succeeded_and_its_messages_stay_out() -> None:
    """S84."""
    b = bench(single_active_consumer=True)
    first = b.consume("x", prefetch=1)
    second = b.consume("y", prefetch=1)
    assert not b.queue.accepts(exclusive=True)
    b.publish("1234")
    assert b.channel.turns() == "x1"
    assert (b.queue.is_active(first), b.queue.is_active(second)) == (True, False)
    b.queue.unsubscribe(first)
    assert b.channel.turns() == "y2"
    assert b.queue.is_active(second)
    b.queue.ack_one(b.channel.take("1")[0])
    assert b.channel.turns() == ""
    b.queue.ack_one(b.channel.take("2")[0])
    assert b.channel.turns() == "y3"


def test_s84_in_older_versions_the_successor_waits_until_something_wakes_the_queue() -> None:
    """S84, seen live on 3.10: a requeue does, an acknowledgement does not."""
    b = bench(QueueRules(runs_on_cancel=False), single_active_consumer=True)
    first = b.consume("x", prefetch=2)
    b.consume("y", prefetch=1)
    b.publish("1234")
    b.queue.unsubscribe(first)
    assert b.channel.turns() == "x1 x2"
    b.queue.ack_one(b.channel.take("1")[0])
    assert b.channel.turns() == ""
    b.requeue(b.channel.take("2"))
    assert b.channel.turns() == "y2"


def test_s36_an_auto_delete_queue_ends_with_its_last_consumer_and_not_before_it_had_one() -> None:
    """S36."""
    b = bench(auto_delete=True)
    b.publish("1")
    b.get()
    assert b.host.ended == []
    first, second = b.consume("x"), b.consume("y")
    b.queue.unsubscribe(first)
    assert b.host.ended == []
    b.queue.unsubscribe(second)
    assert b.host.ended == ["auto_delete"]


def test_s36_a_closed_channel_ends_it_too() -> None:
    """S36."""
    b = bench(auto_delete=True)
    b.consume("x")
    b.publish("1")
    taken = b.channel.take("1")
    b.queue.receiver_left(b.channel)
    b.queue.take_back(taken)
    assert b.host.ended == ["auto_delete"]


def test_s73_the_end_of_a_queue_is_told_to_its_consumers() -> None:
    """S73."""
    b = bench()
    b.consume("x", prefetch=1)
    b.consume("y", prefetch=1)
    b.publish("123")
    assert b.queue.delete() == 1
    assert b.channel.cancelled == ["x", "y"]
    assert b.deaths() == ""


# -- time to live


@pytest.mark.parametrize(
    ("ttl_ms", "expiration_ms", "life_ms"), [(10, None, 10), (None, 10, 10), (10, 5, 5), (5, 10, 5)]
)
def test_s88_the_smaller_time_to_live_counts(
    ttl_ms: int | None, expiration_ms: int | None, life_ms: int
) -> None:
    """S88."""
    b = bench(message_ttl_ms=ttl_ms)
    b.publish("a", expiration_ms=expiration_ms)
    b.advance(life_ms - 1)
    assert b.ready() == "a"
    b.advance(1)
    assert (b.ready(), b.deaths()) == ("", "a:expired")


def test_s89_a_message_expires_only_at_the_head() -> None:
    """S89."""
    b = bench()
    b.publish("a", expiration_ms=100)
    b.publish("b", expiration_ms=10)
    b.advance(50)
    assert (b.ready(), b.deaths()) == ("ab", "")
    b.get()
    assert (b.ready(), b.deaths()) == ("", "b:expired")


def test_s89_behind_a_message_that_never_expires_it_waits_and_is_not_delivered_late() -> None:
    """S89."""
    b = bench()
    b.publish("a")
    b.publish("b", expiration_ms=10)
    b.publish("c")
    b.advance(50)
    assert b.ready() == "abc"
    b.consume("x", prefetch=2)
    assert b.channel.turns() == "xa xc"
    assert b.deaths() == "b:expired"


def test_s89_a_head_that_a_length_limit_uncovers_expires_in_its_time() -> None:
    """S89."""
    b = bench(max_length=2)
    b.publish("a")
    b.publish("b", expiration_ms=10)
    b.publish("c")
    assert (b.ready(), b.deaths()) == ("bc", "a:maxlen")
    b.advance(10)
    assert (b.ready(), b.deaths()) == ("c", "b:expired")


def test_s90_ttl_zero_reaches_a_waiting_consumer_or_nobody() -> None:
    """S90."""
    b = bench(message_ttl_ms=0)
    b.publish("a")
    assert b.deaths() == "a:expired"
    b.consume("x", prefetch=1)
    b.publish("bc")
    assert (b.channel.turns(), b.deaths()) == ("xb", "c:expired")
    b.requeue(b.channel.take("b"))
    assert (b.channel.turns(), b.deaths()) == ("", "b:expired")


def test_s91_a_requeued_message_keeps_its_instant() -> None:
    """S91."""
    b = bench(message_ttl_ms=80)
    b.publish("ab")
    late, early = b.get(2)
    b.advance(70)
    b.requeue([early])
    b.advance(10)
    assert b.deaths() == "b:expired"
    b.requeue([late])
    assert b.deaths() == "a:expired"


def test_an_unacknowledged_message_does_not_expire() -> None:
    b = bench(message_ttl_ms=10)
    b.publish("a")
    held = b.get()
    b.advance(50)
    b.queue.ack(held)
    assert b.deaths() == ""


def test_s99_an_expired_low_priority_waits_behind_a_high_one() -> None:
    """S99."""
    b = bench(max_priority=5)
    b.publish("a", priority=1, expiration_ms=10)
    b.publish("b", priority=5, expiration_ms=100)
    b.advance(50)
    assert (b.ready(), b.deaths()) == ("ba", "")
    b.advance(50)
    assert b.deaths() == "b:expired a:expired"


def test_s92_a_lease_is_renewed_by_a_get_and_a_declaration_and_not_by_a_publish() -> None:
    """S92: and it ends the queue without dead-lettering."""
    b = bench(expires_ms=100)
    b.publish("a")
    b.advance(99)
    b.get()
    b.advance(99)
    b.queue.touch()
    b.advance(99)
    b.publish("b")
    assert b.host.ended == []
    b.advance(1)
    assert b.host.ended == ["expired"]
    assert b.deaths() == ""


def test_s92_a_lease_does_not_run_while_there_is_a_consumer() -> None:
    """S92."""
    b = bench(expires_ms=100)
    consumer = b.consume("x")
    b.advance(1000)
    b.queue.unsubscribe(consumer)
    b.advance(99)
    assert b.host.ended == []
    b.advance(1)
    assert b.host.ended == ["expired"]


# -- limits


def test_s93_the_oldest_goes_first() -> None:
    """S93."""
    b = bench(max_length=3)
    assert b.publish("abcde") == [True] * 5
    assert (b.ready(), b.deaths()) == ("cde", "a:maxlen b:maxlen")


def test_s93_only_ready_messages_count() -> None:
    """S93."""
    b = bench(max_length=2)
    b.publish("ab")
    b.get(2)
    b.publish("cd")
    assert (b.ready(), b.deaths()) == ("cd", "")


def test_s93_bytes_count_too_and_the_first_limit_that_is_reached_acts() -> None:
    """S93."""
    b = bench(max_length=3, max_length_bytes=10)
    b.publish("ab", padding=3)
    b.publish("c")
    assert b.ready() == "abc"
    b.publish("d")
    assert b.ready() == "bcd"
    b.publish("e", padding=9)
    assert b.ready() == "e"
    b.publish("f", padding=10)
    assert b.ready() == ""


def test_s94_with_a_length_of_zero_a_message_passes_only_to_a_waiting_consumer() -> None:
    """S94."""
    b = bench(max_length=0)
    b.publish("a")
    assert b.deaths() == "a:maxlen"
    b.consume("x", prefetch=1)
    b.publish("bc")
    assert (b.channel.turns(), b.deaths()) == ("xb", "c:maxlen")


def test_s95_a_requeue_above_the_limit_drops_from_the_head() -> None:
    """S95, as seen live."""
    b = bench(max_length=3)
    b.publish("01234")
    b.deaths()
    taken = b.get(2)
    b.publish("ab")
    b.requeue(taken)
    assert (b.ready(), b.deaths()) == ("4ab", "2:maxlen 3:maxlen")


@pytest.mark.parametrize(
    ("overflow", "deaths"), [("reject-publish", ""), ("reject-publish-dlx", "d:maxlen e:maxlen")]
)
def test_s62_s96_a_full_queue_may_refuse(overflow: str, deaths: str) -> None:
    """S62, S96: with or without dead-lettering; what is requeued is never dropped."""
    b = bench(max_length=3, overflow=overflow)
    assert b.publish("abcde") == [True, True, True, False, False]
    assert (b.ready(), b.deaths()) == ("abc", deaths)
    taken = b.get(2)
    assert b.publish("fgh") == [True, True, False]
    b.deaths()
    b.requeue(taken)
    assert (b.ready(), b.deaths()) == ("abcfg", "")
    assert b.queue.statistics().refused == 3


@pytest.mark.parametrize(
    ("overflow", "left"), [("drop-head", [2, 1, 1, 1]), ("reject-publish", [3, 2, 1, 1])]
)
def test_s98_a_limit_with_priorities_drops_the_highest(overflow: str, left: list[int]) -> None:
    """S98."""
    b = bench(max_length=4, max_priority=3, overflow=overflow)
    for priority in (1, 2, 3) * 3 if overflow == "drop-head" else (1, 2, 3, 1):
        b.publish("m", priority=priority)
    if overflow == "reject-publish":
        assert b.publish("m", priority=3) == [False]
    assert [entry.message.priority for entry in b.queue.ready] == left


# -- settling and dying


def test_s101_a_rejected_message_dies_and_makes_room_for_the_next() -> None:
    """S101."""
    b = bench()
    b.consume("x", prefetch=2)
    b.publish("1234")
    b.queue.discard(b.channel.take("12"))
    assert b.deaths() == "1:rejected 2:rejected"
    assert b.channel.turns() == "x1 x2 x3 x4"
    b.queue.check()


@pytest.mark.parametrize(("counts", "deaths"), [(True, "a:delivery_limit"), (False, "")])
def test_s87_returns_beyond_the_delivery_limit_kill(counts: bool, deaths: str) -> None:
    """S87: with a limit of 2 it is delivered three times; a nack may not count."""
    b = bench(QueueRules(nack_counts_delivery=counts), type="quorum", delivery_limit=2)
    b.publish("a")
    for expected in (1, 2):
        b.requeue(b.get(), failed=True)
        assert next(iter(b.queue.ready)).delivery_count == expected
    b.requeue(b.get(), failed=False)
    assert b.deaths() == deaths


def test_s87_a_lost_channel_counts() -> None:
    """S87."""
    b = bench(QueueRules(nack_counts_delivery=False), type="quorum", delivery_limit=0)
    b.publish("a")
    taken = b.get()
    b.queue.receiver_left(b.channel)
    b.queue.take_back(taken)
    assert b.deaths() == "a:delivery_limit"


def test_a_returned_message_may_wait_before_it_is_ready_again() -> None:
    """The delayed retry of 4.3: longer with each return, up to a limit."""
    b = bench(
        type="quorum",
        delayed_retry_type="failed",
        delayed_retry_min_ms=10,
        delayed_retry_max_ms=15,
    )
    b.publish("a")
    for delay_ms in (10, 15, 15):
        b.requeue(b.get(), failed=True)
        assert (b.ready(), b.queue.statistics().delayed) == ("", 1)
        b.advance(delay_ms - 1)
        assert b.ready() == ""
        b.advance(1)
        assert (b.ready(), b.queue.statistics().delayed) == ("a", 0)


def test_s115_a_purge_takes_what_is_ready_and_kills_nothing() -> None:
    """S115."""
    b = bench()
    b.publish("abc")
    held = b.get()
    assert b.queue.purge() == 2
    assert (b.ready(), b.deaths()) == ("", "")
    b.requeue(held)
    assert b.ready() == "a"


# -- settings that change


def test_s100_a_limit_put_in_force_acts_on_what_waits() -> None:
    """S100."""
    b = bench()
    b.publish("abcde")
    b.queue.apply(QueueSettings(max_length=2))
    assert (b.ready(), b.deaths()) == ("de", "a:maxlen b:maxlen c:maxlen")
    b.queue.apply(QueueSettings())
    b.publish("fg")
    assert b.ready() == "defg"


def test_a_lease_put_in_force_begins_then() -> None:
    b = bench()
    b.advance(500)
    b.queue.apply(QueueSettings(expires_ms=100))
    b.advance(99)
    assert b.host.ended == []
    b.advance(1)
    assert b.host.ended == ["expired"]


def test_a_lease_that_is_lifted_ends_nothing() -> None:
    b = bench(expires_ms=100)
    b.queue.apply(QueueSettings())
    b.advance(1000)
    assert b.host.ended == []


# -- figures


def test_the_figures_account_for_every_message() -> None:
    b = bench(max_length=4, message_ttl_ms=100)
    b.publish("abcdef", padding=4)
    taken = b.get(3)
    b.queue.ack(taken[:1])
    b.queue.discard(taken[1:2])
    b.publish("gh")
    b.queue.get(no_ack=True)
    found = b.queue.statistics()
    assert (found.ready, found.ready_bytes) == (2, 2)
    assert (found.unacked, found.unacked_bytes) == (1, 5)
    assert (found.published, found.delivered, found.acked) == (8, 4, 2)
    assert found.died == {"maxlen": 2, "rejected": 1}
    b.requeue(taken[2:])
    b.get()
    assert b.queue.statistics().redelivered == 1


def test_s84_a_consumer_s_figures_say_whether_it_is_active() -> None:
    """S84."""
    b = bench(single_active_consumer=True)
    b.consume("x", prefetch=3, priority=2)
    b.consume("y", no_ack=True)
    b.publish("12")
    first, second = b.queue.statistics().consumers
    assert (first.tag, first.priority, first.prefetch) == ("x", 2, 3)
    assert (first.active, first.unacked, first.delivered) == (True, 2, 2)
    assert (second.tag, second.no_ack, second.active, second.delivered) == ("y", True, False, 0)
