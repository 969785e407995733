"""A validator looks into what is published to an exchange, or would reach a queue."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from attrs import define, field

from leveret import Broker, ManualClock, Properties
from leveret.engine.validators import Violation
from leveret.errors import PreconditionFailed

if TYPE_CHECKING:
    from leveret.engine.virtual_host import VirtualHost
    from leveret.queues import AnyMessage


@define
class Swears:
    """Objects to bodies with a word."""

    is_refused: bool = True
    seen: list[bytes] = field(factory=list)

    def violation(self, message: AnyMessage) -> Violation | None:
        self.seen.append(message.body)
        return Violation("has a bad word", self.is_refused) if b"darn" in message.body else None


@pytest.fixture
def broker() -> Broker:
    broker = Broker(clock=ManualClock())
    broker.exchange_declare("talk", "topic")
    broker.queue_declare("heard")
    broker.queue_declare("kept")
    broker.queue_bind("heard", "talk", "a.#")
    broker.queue_bind("kept", "talk", "#")
    return broker


@pytest.fixture
def host(broker: Broker) -> VirtualHost:
    return broker.virtual_hosts["/"]


def ready(broker: Broker) -> list[int]:
    return [one.ready for one in broker.virtual_hosts["/"].statistics().queues]


def figures(host: VirtualHost) -> list[tuple[str, str, int, int, int]]:
    found = host.statistics().validators
    return [(one.kind, one.name, one.checked, one.violations, one.refused) for one in found]


def test_what_is_refused_reaches_no_queue_and_closes_the_channel(
    broker: Broker, host: VirtualHost
) -> None:
    host.validators.set_for_exchange("talk", Swears())
    channel = broker.channel()
    channel.basic_publish("talk", "a", b"well")
    with pytest.raises(PreconditionFailed) as caught:
        channel.basic_publish("talk", "a", b"darn")
    assert caught.value.reply_text.endswith("message for exchange 'talk' has a bad word")
    assert channel.closed
    assert ready(broker) == [1, 1]
    assert figures(host) == [("exchange", "talk", 2, 1, 1)]
    assert host.published["talk"] == 1


def test_one_queue_that_refuses_keeps_a_message_from_all(broker: Broker, host: VirtualHost) -> None:
    host.validators.set_for_queue("heard", Swears())
    broker.basic_publish("talk", "b", b"darn")
    with pytest.raises(PreconditionFailed, match="message for queue 'heard'"):
        broker.basic_publish("talk", "a", b"darn")
    with pytest.raises(PreconditionFailed, match="message for queue 'heard'"):
        broker.basic_publish("", "heard", b"darn")
    assert ready(broker) == [0, 1]


def test_what_is_only_counted_goes_on(broker: Broker, host: VirtualHost) -> None:
    host.validators.set_for_exchange("talk", Swears(is_refused=False))
    broker.basic_publish("talk", "a", b"darn")
    assert ready(broker) == [1, 1]
    assert figures(host) == [("exchange", "talk", 1, 1, 0)]


def test_a_channel_that_published_before_is_looked_at_from_then_on_until_it_ends(
    broker: Broker, host: VirtualHost
) -> None:
    channel = broker.channel()
    channel.basic_publish("talk", "a", b"darn")
    host.validators.set_for_exchange("talk", Swears(is_refused=False))
    channel.basic_publish("talk", "a", b"darn")
    assert figures(host) == [("exchange", "talk", 1, 1, 0)]
    host.validators.set_for_exchange("talk", None)
    channel.basic_publish("talk", "a", b"darn")
    assert figures(host) == []


def test_with_confirms_and_in_transactions_it_is_looked_at_when_it_is_published(
    broker: Broker, host: VirtualHost
) -> None:
    swears = Swears()
    host.validators.set_for_exchange("talk", swears)
    confirmed = broker.channel()
    confirmed.confirm_delivery()
    transaction = broker.channel()
    transaction.tx_select()
    transaction.basic_publish("talk", "a", b"well")
    for channel in (confirmed, transaction):
        with pytest.raises(PreconditionFailed):
            channel.basic_publish("talk", "a", b"darn")
    assert swears.seen == [b"well", b"darn", b"darn"]
    assert ready(broker) == [0, 0]


def test_dead_letters_were_looked_at_before(broker: Broker, host: VirtualHost) -> None:
    broker.queue_declare("jobs", arguments={"x-dead-letter-exchange": "talk"})
    host.validators.set_for_exchange("talk", Swears())
    broker.basic_publish("", "jobs", b"darn")
    method, _, _ = broker.basic_get("jobs")
    assert method is not None
    broker.basic_reject(method.delivery_tag, requeue=False)
    assert ready(broker) == [0, 1, 0]


def test_who_may_not_publish_hears_that_first(broker: Broker, host: VirtualHost) -> None:
    host.validators.set_for_exchange("talk", Swears())
    with pytest.raises(PreconditionFailed, match="invalid expiration"):
        broker.basic_publish("talk", "a", b"darn", Properties(expiration="soon"))
    assert figures(host) == [("exchange", "talk", 0, 0, 0)]
