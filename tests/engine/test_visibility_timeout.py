"""The visibility timeout: a delivery that is not settled in time goes back to its queue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from leveret import Broker, Channel, ManualClock, Properties
from leveret.engine import visibility
from leveret.errors import PreconditionFailed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from leveret.properties import FieldTable

SECOND: FieldTable = {"x-visibility-timeout": 1000}


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(0)


@pytest.fixture
def broker(clock: ManualClock) -> Iterator[Broker]:
    broker = Broker(clock=clock)
    broker.queue_declare("q", arguments=SECOND)
    yield broker
    broker.check()


def publish(broker: Broker, count: int, queue: str = "q") -> None:
    for number in range(count):
        broker.basic_publish("", queue, str(number))


class Seen:
    """A consumer's deliveries: (tag, redelivered, body), as they came."""

    def __init__(self, channel: Channel, queue: str = "q", **more: Any) -> None:
        self.deliveries: list[tuple[int, bool, bytes]] = []
        self.headers: list[Any] = []
        self.tag = channel.basic_consume(queue, self._take, **more)

    def _take(self, _: Any, method: Any, properties: Properties, body: bytes) -> None:
        self.deliveries.append((method.delivery_tag, method.redelivered, body))
        self.headers.append(properties.headers)


def test_a_delivery_that_is_not_settled_in_time_comes_again(
    broker: Broker, clock: ManualClock
) -> None:
    publish(broker, 1)
    seen = Seen(channel := broker.channel())
    clock.advance(ms=999)
    assert channel.is_held(1)
    assert seen.deliveries == [(1, False, b"0")]
    clock.advance(ms=1)
    assert seen.deliveries == [(1, False, b"0"), (2, True, b"0")]
    assert not channel.is_held(1)
    assert channel.is_held(2)
    assert channel.is_open


def test_a_delivery_settled_in_time_is_gone(broker: Broker, clock: ManualClock) -> None:
    publish(broker, 3)
    channel = broker.channel()
    seen = Seen(channel)
    channel.basic_ack(1)
    channel.basic_nack(2, requeue=False)
    channel.basic_ack(3)
    clock.advance(ms=5000)
    assert len(seen.deliveries) == 3
    assert broker.statistics().ready == 0


@pytest.mark.parametrize("how", ["ack", "nack", "reject", "ack multiple", "ack all"])
def test_to_settle_too_late_changes_nothing_and_a_tag_that_never_was_is_refused(
    broker: Broker, clock: ManualClock, how: str
) -> None:
    publish(broker, 1)
    channel = broker.channel()
    assert channel.basic_get("q")[0] is not None
    clock.advance(ms=1000)
    match how:
        case "ack":
            channel.basic_ack(1)
        case "nack":
            channel.basic_nack(1, requeue=False)
        case "reject":
            channel.basic_reject(1, requeue=False)
        case "ack multiple":
            channel.basic_ack(1, multiple=True)
        case _:
            channel.basic_ack(0, multiple=True)
    assert broker.queue_declare("q", passive=True).message_count == 1
    with pytest.raises(PreconditionFailed, match="unknown delivery tag 1"):
        channel.basic_ack(1)


def test_multiple_settles_those_that_are_held_and_passes_over_those_that_are_not(
    broker: Broker, clock: ManualClock
) -> None:
    broker.queue_declare("slow")
    publish(broker, 2)
    publish(broker, 2, "slow")
    channel = broker.channel()
    for queue in ("q", "slow", "q", "slow"):
        assert channel.basic_get(queue)[0] is not None
    clock.advance(ms=1000)
    channel.basic_ack(3, multiple=True)  # 1 and 3 are gone, 2 is settled, 4 stays
    assert [channel.is_held(tag) for tag in (1, 2, 3, 4)] == [False, False, False, True]
    assert broker.queue_declare("q", passive=True).message_count == 2
    assert broker.statistics().unacked == 1
    channel.basic_ack(4)


def test_an_expired_delivery_frees_its_place_under_the_prefetch_limit(
    broker: Broker, clock: ManualClock
) -> None:
    publish(broker, 3)
    other = broker.channel()
    other.basic_qos(prefetch_count=1)
    seen = Seen(other)
    assert [body for _, _, body in seen.deliveries] == [b"0"]
    clock.advance(ms=1000)
    assert [body for _, _, body in seen.deliveries] == [b"0", b"0"]
    other.basic_ack(2)
    assert [body for _, _, body in seen.deliveries] == [b"0", b"0", b"1"]


def test_another_consumer_gets_what_one_does_not_settle(broker: Broker, clock: ManualClock) -> None:
    publish(broker, 1)
    stuck, working = broker.channel(), broker.channel()
    stuck.basic_qos(prefetch_count=1)
    first = Seen(stuck)
    stuck.basic_cancel(first.tag)
    second = Seen(working)
    clock.advance(ms=1000)
    assert second.deliveries == [(1, True, b"0")]


def test_extending_moves_the_deadline_either_way(broker: Broker, clock: ManualClock) -> None:
    publish(broker, 2)
    channel = broker.channel()
    channel.basic_get("q")
    channel.basic_get("q")
    clock.advance(ms=900)
    assert channel.extend(1, 500)
    assert channel.extend(2, 10)
    clock.advance(ms=10)
    assert (channel.is_held(1), channel.is_held(2)) == (True, False)
    clock.advance(ms=489)
    assert channel.is_held(1)
    clock.advance(ms=1)
    assert not channel.is_held(1)
    assert not channel.extend(1, 500)
    assert not channel.extend(99, 500)
    with pytest.raises(ValueError, match="-1 ms"):
        channel.extend(1, -1)


def test_extending_what_never_expires_changes_nothing(broker: Broker, clock: ManualClock) -> None:
    broker.queue_declare("slow")
    publish(broker, 1, "slow")
    channel = broker.channel()
    channel.basic_get("slow")
    assert channel.extend(1, 10)
    clock.advance(ms=5000)
    assert channel.is_held(1)


@pytest.mark.parametrize(("queue_ms", "own_ms", "held_ms"), [(1000, 50, 50), (1000, 5000, 5000)])
def test_a_consumers_own_timeout_goes_before_its_queues(
    clock: ManualClock, queue_ms: int, own_ms: int, held_ms: int
) -> None:
    broker = Broker(clock=clock)
    broker.queue_declare("q", arguments={"x-visibility-timeout": queue_ms})
    broker.queue_declare("slow")
    publish(broker, 1)
    publish(broker, 1, "slow")
    channel = broker.channel()
    for queue in ("q", "slow"):
        Seen(channel, queue, arguments={"x-visibility-timeout": own_ms})
    clock.advance(ms=held_ms - 1)
    assert (channel.is_held(1), channel.is_held(2)) == (True, True)
    clock.advance(ms=1)
    assert (channel.is_held(1), channel.is_held(2)) == (False, False)


@pytest.mark.parametrize("value", [0, -1, "30s", True, None])
def test_a_timeout_that_is_no_positive_number_is_refused(broker: Broker, value: Any) -> None:
    arguments = {"x-visibility-timeout": value}
    with pytest.raises(PreconditionFailed, match="invalid arg 'x-visibility-timeout'"):
        broker.queue_declare("other", arguments=arguments)
    with pytest.raises(PreconditionFailed, match="invalid arg 'x-visibility-timeout'"):
        broker.channel().basic_consume("q", arguments=arguments)


def test_a_quorum_queue_counts_it_as_a_return_and_gives_up_at_its_limit(
    broker: Broker, clock: ManualClock
) -> None:
    arguments: FieldTable = {"x-queue-type": "quorum", "x-delivery-limit": 2, **SECOND}
    broker.queue_declare("quorum", arguments=arguments)
    publish(broker, 1, "quorum")
    seen = Seen(broker.channel(), "quorum")
    clock.advance(ms=3000)
    assert seen.headers == [None, {"x-delivery-count": 1}, {"x-delivery-count": 2}]
    assert broker.statistics().unacked == broker.statistics().ready == 0


def test_a_transaction_keeps_what_it_settled_until_it_is_rolled_back(
    broker: Broker, clock: ManualClock
) -> None:
    publish(broker, 2)
    channel = broker.channel()
    channel.tx_select()
    channel.basic_get("q")
    channel.basic_get("q")
    channel.basic_ack(1)
    clock.advance(ms=1500)
    assert broker.queue_declare("q", passive=True).message_count == 1  # the second came back
    channel.tx_rollback()
    assert channel.is_held(1)
    broker.run_due()
    assert not channel.is_held(1)
    assert broker.queue_declare("q", passive=True).message_count == 2


def test_a_closed_channel_leaves_no_delivery_to_expire(broker: Broker, clock: ManualClock) -> None:
    publish(broker, 1)
    channel = broker.channel()
    channel.basic_get("q")
    channel.close()
    clock.advance(ms=5000)
    assert broker.queue_declare("q", passive=True).message_count == 1


def test_after_a_restart_what_was_out_is_there_and_expires_anew(tmp_path: Path) -> None:
    clock = ManualClock(0)
    broker = Broker(clock=clock, data=tmp_path)
    broker.queue_declare("q", arguments=SECOND)
    broker.basic_publish("", "q", b"x", Properties(delivery_mode=2))
    channel = broker.channel()
    channel.basic_get("q")
    clock.advance(ms=1000)
    channel.basic_get("q")
    broker.close()
    broker = Broker(clock=clock, data=tmp_path)
    channel = broker.channel()
    method, _, body = channel.basic_get("q")
    assert method is not None
    assert (method.redelivered, body) == (True, b"x")
    clock.advance(ms=1000)
    assert not channel.is_held(1)
    broker.close()


def test_what_is_remembered_of_clients_that_never_settle_is_bounded(
    broker: Broker, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(visibility, "EXPIRED_KEPT", 2)
    publish(broker, 1)
    channel = broker.channel()
    for _ in range(4):
        channel.basic_get("q")
        clock.advance(ms=1000)
    channel.basic_ack(4)
    channel.basic_ack(3)
    with pytest.raises(PreconditionFailed, match="unknown delivery tag 2"):
        channel.basic_ack(2)


def test_what_was_settled_out_of_order_does_not_pile_up(broker: Broker) -> None:
    channel = broker.channel()
    publish(broker, 1000)
    channel.basic_get("q")
    for tag in range(2, 1000):
        channel.basic_get("q")
        channel.basic_ack(tag)
    leases = channel._leases
    assert leases is not None
    assert len(leases) < 200
