"""A Hypothesis state machine for consumers: publish, wait, crash, restart, in any order.

Needs the package `hypothesis`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from leveret.clock import ManualClock
from leveret.testing import state
from leveret.testing.broker import BrokerUnderTest
from leveret.testing.faults import Faults
from leveret.testing.journal import Journal
from leveret.testing.settings import Settings
from leveret.testing.strategies import messages

if TYPE_CHECKING:
    from pathlib import Path

    from hypothesis.strategies import SearchStrategy

    from leveret.config import Topology
    from leveret.engine import Channel
    from leveret.queues import Message
    from leveret.testing.journal import Published

__all__ = ["BrokerMachine"]


class BrokerMachine(RuleBasedStateMachine):
    """Publishes messages at a consumer and lets go wrong what goes wrong.

    Say in a subclass what the topology is, what is published (`messages`) and how the consumer
    subscribes (`consume`); add rules and invariants of your own, and in `at_end` what must hold
    once all has calmed down. The broker is in process and its time is the machine's.

    ```python
    class Billing(BrokerMachine):
        topology = "shop.yaml"

        def messages(self):
            return strategies.messages("orders", strategies.matching_keys("order.*.paid"))

        def consume(self, channel):
            channel.basic_consume("billing", bill)

        def at_end(self):
            assert all(message.is_settled for message in self.published)


    TestBilling = Billing.TestCase
    ```
    """

    #: A file, or a `leveret.config.Topology`, or None for an empty broker.
    topology: ClassVar[str | Path | Topology | None] = None
    #: A version of RabbitMQ; None for the topology's.
    profile: ClassVar[str | None] = None

    def __init__(self) -> None:
        super().__init__()
        self.journal = Journal()
        self.clock = ManualClock()
        self.faults = Faults()
        self.broker = self._make_broker(declare=True)
        self._work()

    def _make_broker(self, *, declare: bool) -> BrokerUnderTest:
        from leveret.declare import declare as declare_topology

        topology = Settings(self.topology).loaded()
        profile = self.profile or (topology.compatibility if topology else "4.2")
        broker = BrokerUnderTest(profile, self.clock, 0, self.faults)
        if declare and topology is not None:
            declare_topology(topology, broker)
        return broker

    def _work(self) -> None:
        self.journal.follow(self.broker)
        self.publisher = self.broker.connect().channel()
        self.consumer = self.broker.connect().channel()
        self.consume(self.consumer)

    # -- what a subclass says

    def messages(self) -> SearchStrategy[Message]:
        """Return a strategy for what is published."""
        return messages()

    def consume(self, channel: Channel) -> None:
        """Subscribe the consumer under test on a channel of its own."""

    def at_end(self) -> None:
        """Assert what must hold at the end of a run, when all is calm."""

    @property
    def published(self) -> list[Published]:
        """Every message published, with what became of it."""
        return self.journal.published

    # -- what happens

    @rule(data=st.data())
    def publish(self, data: st.DataObject) -> None:
        """Publish a message."""
        if not self.publisher.is_open:
            self.publisher = self.broker.connect().channel()
        self.publisher.publish(data.draw(self.messages()))

    @rule(ms=st.sampled_from([1, 100, 1000, 60_000, 3_600_000]))
    def wait(self, ms: int) -> None:
        """Let time pass."""
        self.clock.advance(ms=ms)

    @rule()
    def lose_an_acknowledgement(self) -> None:
        """Have the next message that is acknowledged come again, as redelivered."""
        self.faults.lost_acks = 1

    @rule()
    def lose_the_consumer(self) -> None:
        """Cut the consumer's connection, and let it connect again."""
        self.consumer.connection.close()
        self.consumer = self.broker.connect().channel()
        self.consume(self.consumer)

    @rule()
    def restart(self) -> None:
        """Restart the broker; what is not durable is gone."""
        kept = state.take(self.broker, durable_only=True)
        self.journal.leave()
        for connection in list(self.broker.connections):
            connection.close()
        self.journal.restarted(kept.message_ids(), self.clock.now_ms())
        self.broker = self._make_broker(declare=False)
        state.restore(kept, self.broker, shift_time=False)
        self._work()

    @invariant()
    def broker_is_sound(self) -> None:
        """Assert the invariants of the broker, and that the journal agrees with it."""
        self.broker.check()
        self.journal.check()

    def teardown(self) -> None:
        """Calm everything down, and ask for what must hold then."""
        self.faults.clear()
        self.at_end()
