"""What one node shows of quorum queues, and the order in which messages return to them.

Statements: S80 S81 S87 S114.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.engine.conftest import Make, Rig

    from leveret import Channel

QUORUM: dict[str, Any] = {"x-queue-type": "quorum"}
TO_DEAD = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"}


def quorum(broker: Rig, **arguments: Any) -> None:
    """Declare `dead`, and the quorum queue `q` that dead-letters to it."""
    broker.queue_declare("dead")
    more = {f"x-{name.replace('_', '-')}": value for name, value in arguments.items()}
    broker.queue_declare("q", arguments=QUORUM | TO_DEAD | more)


def return_by(how: str, channel: Channel, tag: int) -> None:
    """Give a message back."""
    if how == "nack":
        channel.basic_nack(tag)
    elif how == "reject":
        channel.basic_reject(tag)
    elif how == "recover":
        channel.basic_recover(requeue=True)
    else:
        channel.close()


def deliveries(broker: Rig, how: str, most: int = 30) -> int:
    """Return how often a message is delivered when it is always given back, `most` at most."""
    broker.put("q", "m")
    for count in range(most):
        channel = broker.channel()
        got = broker.try_get(channel, "q")
        if got is None:
            return count
        return_by(how, channel, got.tag)
    return most


@pytest.mark.parametrize(
    ("profile", "count"), [("3.10", 30), ("3.13", 30), ("4.2", 21), ("4.3", 21)]
)
def test_s87_the_default_delivery_limit(make: Make, profile: str, count: int) -> None:
    broker = make(profile)
    quorum(broker)
    assert deliveries(broker, "reject") == count
    assert broker.depth("dead") == (count == 21)


@pytest.mark.parametrize("profile", ["3.10", "4.2", "4.3"])
def test_s87_a_limit_is_of_returns_and_beyond_it_the_message_dies(make: Make, profile: str) -> None:
    broker = make(profile)
    quorum(broker, delivery_limit=2)
    assert deliveries(broker, "reject") == 3
    [got] = broker.drained("dead")
    assert [death["reason"] for death in got.headers["x-death"]] == ["delivery_limit"]


@pytest.mark.parametrize("profile", ["4.2", "4.3"])
def test_s87_a_negative_limit_is_none(make: Make, profile: str) -> None:
    broker = make(profile)
    quorum(broker, delivery_limit=-1)
    assert deliveries(broker, "reject") == 30


@pytest.mark.parametrize(
    ("profile", "how", "count"),
    [
        *[(profile, how, 3) for profile in ("3.10", "3.13", "4.2") for how in ("nack", "close")],
        ("4.3", "nack", 30),
        ("4.3", "reject", 3),
        ("4.3", "recover", 3),
        ("4.3", "close", 3),
    ],
)
def test_s87_what_counts_towards_it(make: Make, profile: str, how: str, count: int) -> None:
    broker = make(profile)
    quorum(broker, delivery_limit=2)
    assert deliveries(broker, how) == count


@pytest.mark.parametrize(("profile", "first"), [("3.10", 0), ("4.2", None), ("4.3", None)])
def test_s87_a_header_counts_returns(make: Make, profile: str, first: int | None) -> None:
    broker = make(profile)
    channel = broker.channel()
    quorum(broker)
    broker.put("q", "m", headers={"kept": 1})
    counts = []
    for _ in range(3):
        got = broker.get(channel, "q")
        assert got.headers["kept"] == 1
        counts.append(got.headers.get("x-delivery-count"))
        channel.basic_reject(got.tag)
    assert counts == [first, 1, 2]


def test_s87_consumers_see_it_from_the_first_return_on(broker: Rig, channel: Channel) -> None:
    quorum(broker)
    inbox = broker.consume(channel, "q", "t")
    broker.put("q", "m")
    channel.basic_nack(1)
    channel.basic_nack(2)
    headers = [properties.headers or {} for properties in inbox.properties]
    assert [header.get("x-delivery-count") for header in headers] == [None, 1, 2]


def test_s87_a_classic_queue_counts_nothing(broker: Rig, channel: Channel) -> None:
    broker.queue_declare("q")
    assert deliveries(broker, "reject") == 30
    assert broker.get(channel, "q").properties.headers is None


# -- order

STEPS: dict[str, Callable[[Channel], object]] = {
    "nack 2": lambda channel: channel.basic_nack(2),
    "nack 2, 1, 3": lambda channel: [channel.basic_nack(tag) for tag in (2, 1, 3)],
    "nack 3 multiple": lambda channel: channel.basic_nack(3, multiple=True),
    "reject 3": lambda channel: channel.basic_reject(3),
    "recover": lambda channel: channel.basic_recover(requeue=True),
    "close": lambda channel: channel.close(),
}

# (steps after getting three of five, what is left where returns go to the front, and to the back)
ORDERS = [
    ("nack 2", "1* 3 4", "3 4 1*"),
    ("nack 2, 1, 3", "1* 0* 2* 3 4", "3 4 1* 0* 2*"),
    ("nack 3 multiple", "0* 1* 2* 3 4", "3 4 0* 1* 2*"),
    ("reject 3", "2* 3 4", "3 4 2*"),
    ("recover", "0* 1* 2* 3 4", "3 4 0* 1* 2*"),
    ("close", "0* 1* 2* 3 4", "0* 1* 2* 3 4"),
]


@pytest.mark.parametrize(("profile", "limit"), [("3.10", None), ("3.10", 5), ("4.2", None)])
@pytest.mark.parametrize(
    ("step", "front", "back"), ORDERS, ids=[f"S80 S81 live {order[0]}" for order in ORDERS]
)
def test_returned_messages_stand_in_the_order_of_their_return(
    make: Make, profile: str, limit: int | None, step: str, front: str, back: str
) -> None:
    """Before the others, but in 3.10 behind them where the queue has no delivery limit."""
    broker = make(profile)
    quorum(broker, **({} if limit is None else {"delivery_limit": limit}))
    broker.put("q", *"01234")
    channel = broker.channel()
    broker.take(channel, "q", 3)
    STEPS[step](channel)
    to_back = profile == "3.10" and limit is None
    assert broker.drain("q") == (back if to_back else front).split()


# -- delayed retry


@pytest.mark.parametrize(
    ("kind", "how", "delayed"),
    [
        ("all", "nack", True),
        ("all", "reject", True),
        ("failed", "nack", False),
        ("failed", "reject", True),
        ("returned", "nack", True),
        ("returned", "reject", False),
        ("disabled", "reject", False),
    ],
)
def test_in_4_3_a_returned_message_may_wait(make: Make, kind: str, how: str, delayed: bool) -> None:
    broker = make("4.3")
    channel = broker.channel()
    quorum(broker, delayed_retry_type=kind, delayed_retry_min=1000)
    broker.put("q", "m")
    return_by(how, channel, broker.get(channel, "q").tag)
    assert broker.depth("q") == (not delayed)
    [statistics] = [q for q in broker.statistics().virtual_hosts[0].queues if q.name == "q"]
    assert statistics.delayed == delayed
    broker.advance(ms=999)
    assert broker.depth("q") == (not delayed)
    broker.advance(ms=1)
    assert broker.drain("q") == ["m*"]


def test_in_4_3_it_waits_longer_each_time_up_to_a_maximum(make: Make) -> None:
    broker = make("4.3")
    quorum(broker, delayed_retry_type="all", delayed_retry_min=1000, delayed_retry_max=2500)
    broker.put("q", "m")
    channel = broker.channel()
    waits = []
    for _ in range(4):
        channel.basic_reject(broker.get(channel, "q").tag)
        waits.append(0)
        while not broker.depth("q"):
            broker.advance(ms=100)
            waits[-1] += 100
    assert waits == [1000, 2000, 2500, 2500]


# -- dead-lettering at least once

AT_LEAST_ONCE = {
    "dead_letter_exchange": "dlx",
    "dead_letter_strategy": "at-least-once",
    "overflow": "reject-publish",
}


def reject_all(broker: Rig, *bodies: str) -> None:
    """Publish bodies to `q` and refuse them for good."""
    broker.put("q", *bodies)
    channel = broker.channel()
    broker.take(channel, "q", len(bodies))
    channel.basic_nack(0, multiple=True, requeue=False)


@pytest.mark.parametrize("profile", ["3.10", "4.2"])
@pytest.mark.parametrize("arrives", ["by a binding", "by the exchange"])
def test_s114_what_finds_no_queue_is_held_until_there_is_one(
    make: Make, profile: str, arrives: str
) -> None:
    broker = make(profile)
    quorum(broker, **AT_LEAST_ONCE)
    if arrives == "by a binding":
        broker.exchange_declare("dlx", "fanout")
    reject_all(broker, "1", "2")
    reject_all(broker, "3")
    assert broker.depth("dead") == 0
    if arrives == "by the exchange":
        broker.exchange_declare("dlx", "fanout")
    broker.queue_bind("dead", "dlx")
    assert broker.drain("dead") == ["1", "2", "3"]


def test_s114_a_full_target_is_tried_again(broker: Rig) -> None:
    quorum(broker, **AT_LEAST_ONCE)
    broker.exchange_declare("dlx", "fanout")
    broker.queue_declare("full", arguments={"x-max-length": 1, "x-overflow": "reject-publish"})
    broker.queue_bind("full", "dlx")
    broker.put("full", "in the way")
    reject_all(broker, "m")
    assert broker.drain("full") == ["in the way"]
    broker.advance(seconds=180)
    assert broker.drain("full") == ["m"]


def test_s114_what_a_deleted_queue_holds_is_lost(broker: Rig) -> None:
    quorum(broker, **AT_LEAST_ONCE)
    reject_all(broker, "m")
    broker.queue_delete("q")
    broker.exchange_declare("dlx", "fanout")
    broker.queue_bind("dead", "dlx")
    broker.advance(seconds=1000)
    assert broker.depth("dead") == 0


@pytest.mark.parametrize("missing", ["dead_letter_strategy", "overflow"])
def test_s114_it_takes_both_the_strategy_and_reject_publish(broker: Rig, missing: str) -> None:
    quorum(broker, **{key: value for key, value in AT_LEAST_ONCE.items() if key != missing})
    reject_all(broker, "m")
    broker.exchange_declare("dlx", "fanout")
    broker.queue_bind("dead", "dlx")
    assert broker.depth("dead") == 0


def test_s81_a_lost_consumer_gives_back_before_later_messages(broker: Rig) -> None:
    quorum(broker)
    broker.put("q", *"012")
    first, second = broker.channel(), broker.channel()
    broker.consume(first, "q", "a")
    inbox = broker.consume(second, "q", "b")
    first.close()
    assert inbox.take() == ["b:0*", "b:1*", "b:2*"]
