"""What the strategies draw is what they say they draw."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import run_state_machine_as_test

from leveret import Broker, ManualClock
from leveret.config import QueueDeclaration as Queue
from leveret.config import Topology, VirtualHost
from leveret.routing import HeadersMatch, TopicPattern
from leveret.testing import strategies
from leveret.testing.machine import BrokerMachine

if TYPE_CHECKING:
    from leveret.engine import Channel
    from leveret.properties import FieldTable

# The first characters that Hypothesis draws take it seconds where the machine is busy.
PATIENT = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


@PATIENT
@given(st.data())
def test_matching_keys_match_and_near_misses_miss(data: st.DataObject) -> None:
    pattern = data.draw(strategies.patterns())
    parsed = TopicPattern.parse(pattern)
    assert parsed.matches(data.draw(strategies.matching_keys(pattern)))
    if not parsed.covers(TopicPattern.parse("#")):
        assert not parsed.matches(data.draw(strategies.near_misses(pattern)))


@PATIENT
@given(st.data())
def test_what_matches_everything_has_no_near_miss(data: st.DataObject) -> None:
    with pytest.raises(ValueError, match="matches every key"):
        data.draw(strategies.near_misses("#.#"))


@PATIENT
@given(st.data())
def test_headers_match_and_near_misses_miss(data: st.DataObject) -> None:
    modes = st.sampled_from(["all", "any", "all-with-x", "any-with-x"])
    arguments: FieldTable = {"x-match": data.draw(modes), **data.draw(strategies.headers())}
    compiled = HeadersMatch.compile(arguments)
    try:
        headers = data.draw(strategies.headers_for(arguments))
    except ValueError:
        assert not compiled.matches({"format": "png", "size": 1})
    else:
        assert compiled.matches(headers)
    try:
        headers = data.draw(strategies.near_miss_headers(arguments))
    except ValueError:
        assert compiled.matches({})
    else:
        assert not compiled.matches(headers)


@PATIENT
@given(strategies.topologies())
def test_a_broker_takes_every_topology_that_is_drawn(topology: Topology) -> None:
    broker = Broker.from_topology(topology, clock=ManualClock())
    broker.check()
    assert set(broker.virtual_hosts["/"].queues) == set(topology.virtual_hosts["/"].queues)


@given(strategies.topologies(), st.data())
@settings(PATIENT, max_examples=30)
def test_a_broker_takes_every_message_that_is_drawn(topology: Topology, data: Any) -> None:
    broker = Broker.from_topology(topology, clock=ManualClock())
    exchanges = st.sampled_from(["", "amq.topic", *topology.virtual_hosts["/"].exchanges])
    channel = broker.channel()
    for _ in range(3):
        channel.publish(data.draw(strategies.messages(exchanges)))
        broker.check()


class Ledger(BrokerMachine):
    """A consumer that is right: it counts each message once, by its id."""

    topology = Topology(
        "ledger",
        virtual_hosts={
            "/": VirtualHost("/", queues={"q": Queue("q", arguments={"x-max-length": 100})})
        },
    )

    def messages(self) -> Any:
        return strategies.messages(keys=st.just("q"))

    def consume(self, channel: Channel) -> None:
        channel.basic_qos(prefetch_count=2)
        channel.basic_consume("q", self.handle)

    def handle(self, channel: Channel, method: Any, properties: Any, body: bytes) -> None:
        channel.basic_ack(method.delivery_tag)

    def at_end(self) -> None:
        assert all(message.is_settled for message in self.published)


class Forgetful(Ledger):
    """A consumer that is wrong: it takes every message for new."""

    handled = 0

    def handle(self, channel: Channel, method: Any, properties: Any, body: bytes) -> None:
        self.handled += 1
        channel.basic_ack(method.delivery_tag)

    def at_end(self) -> None:
        assert self.handled == len(self.published)


def run(machine: type[BrokerMachine]) -> None:
    few = settings(
        max_examples=25,
        stateful_step_count=25,
        deadline=None,
        database=None,
        phases=[Phase.generate],
    )
    run_state_machine_as_test(machine, settings=few)


def test_a_machine_passes_a_consumer_that_is_right() -> None:
    run(Ledger)


def test_a_machine_finds_the_consumer_that_does_not_expect_redelivery() -> None:
    with pytest.raises(AssertionError):
        run(Forgetful)
