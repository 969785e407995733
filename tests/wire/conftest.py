"""A broker on a clock that a test moves, and clients that talk to it in frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from attrs import define, field
from raw_amqp.peers import InMemoryPeer

from leveret import Broker, ManualClock
from leveret.engine.permissions import User, hash_password

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leveret.wire import Limits

__all__ = ["Bench"]


@define
class Bench:
    """Brokers, each checked when the test is over, and their clients."""

    broker: Broker = field(factory=lambda: Broker(clock=ManualClock()))

    def open(self, limits: Limits | None = None, **options: Any) -> InMemoryPeer:
        """Return a client that has said nothing yet."""
        return InMemoryPeer(self.broker, limits, options)

    def login(self, *channels: int, limits: Limits | None = None, **how: Any) -> InMemoryPeer:
        """Return a client with an open connection and these channels."""
        peer = self.open(limits)
        peer.login(channels=channels, **how)
        return peer

    def add_user(self, name: str, password: str) -> None:
        """Enter a user without permissions."""
        broker = self.broker
        broker.users.add(User(name, hash_password(password, broker.random)))

    def advance(self, ms: int) -> None:
        """Let time pass."""
        assert isinstance(self.broker.clock, ManualClock)
        self.broker.clock.advance(ms=ms)


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.broker.check()
