"""The broker under test: a real one, which shows its clients the faults that a test asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from attrs import evolve

from leveret.broker import Broker
from leveret.engine import methods
from leveret.engine.permissions import Permission, User, Users
from leveret.engine.traced import TracedChannel

if TYPE_CHECKING:
    from collections.abc import Mapping

    from leveret.clock import Clock
    from leveret.engine.connection import Connection
    from leveret.engine.delays import Target
    from leveret.engine.methods import Method, QueueDeclareOk
    from leveret.engine.transactions import Settlement
    from leveret.properties import FieldValue
    from leveret.queues import AnyMessage, Consumer, QueuedMessage
    from leveret.testing.faults import Faults

__all__ = ["BrokerUnderTest", "FaultyChannel"]


class _Users(Users):
    """Users whose logins may be refused, and who are written down."""

    faults: Faults
    # (kind, key) -> value, as `leveret.engine.durable` knows users and permissions
    known: dict[tuple[str, tuple[str, ...]], Mapping[str, FieldValue]]

    def written(
        self, kind: str, key: tuple[str, ...], value: Mapping[str, FieldValue] | None
    ) -> None:
        """Write down a user or a permission as it is now."""
        if value is None:
            self.known.pop((kind, key), None)
        else:
            self.known[kind, key] = value

    def __getitem__(self, name: str) -> User:
        user = super().__getitem__(name)
        return User(name, None, user.tags) if self.faults.refuses_login() else user


class BrokerUnderTest(Broker):
    """A broker whose channels can be followed and can fail.

    `alias` is another name of the virtual host "/": that in the URL of a session's server, so that
    a client left over from another test does not come back into this one's.
    """

    def __init__(
        self, profile: str, clock: Clock, seed: int | None, faults: Faults, alias: str | None = None
    ) -> None:
        super().__init__(profile, clock, seed)
        self.faults = faults
        self.alias = alias
        users = _Users()
        users.faults, users.known = faults, {}
        users.note = users.written
        guest = self.users["guest"]
        users.add(evolve(guest))
        users.set_permission("guest", "/", Permission())
        self.users = self.known_users = users

    def connect(self, virtual_host: str = "/", user: str = "guest") -> Connection:
        """See `Broker.connect`."""
        if virtual_host == self.alias:
            virtual_host = "/"
        connection = super().connect(virtual_host, user)
        connection.channel_type = FaultyChannel
        return connection


class FaultyChannel(TracedChannel):
    """A channel that fails as its broker's faults say."""

    __slots__ = ("_waits",)

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        # The time until which nothing is delivered has not come.
        self._waits = False

    @property
    def _faults(self) -> Faults:
        return cast("BrokerUnderTest", self.connection.broker).faults

    # -- declarations

    def exchange_declare(self, exchange: str, *args: Any, **kwargs: Any) -> None:
        """Declare an exchange, unless that is to be refused."""
        self._may_refuse(methods.EXCHANGE_DECLARE, "exchange", exchange)
        super().exchange_declare(exchange, *args, **kwargs)

    def queue_declare(self, queue: str = "", *args: Any, **kwargs: Any) -> QueueDeclareOk:
        """Declare a queue, unless that is to be refused."""
        self._may_refuse(methods.QUEUE_DECLARE, "queue", queue)
        return super().queue_declare(queue, *args, **kwargs)

    def _may_refuse(self, method: Method, kind: str, name: str) -> None:
        self.check_open()
        error = self._faults.refused_declare(self._host.describe(kind, name), name)
        if error is not None:
            raise self.fail(error, method)

    # -- publishing

    def _publish_answered(
        self, message: AnyMessage, targets: tuple[Target, ...], mandatory: bool
    ) -> None:
        if self._publish_seq and self._faults.takes("nacks"):
            self._tell(
                "message.published",
                message=message,
                targets=[],
                mandatory=mandatory,
                transaction=False,
                sequence=self._publish_seq,
            )
            self._refused.append(self._publish_seq)
            self._publish_seq += 1
            if not self.coalesce_confirms:
                self.flush_confirms()
        else:
            super()._publish_answered(message, targets, mandatory)

    def flush_confirms(self) -> None:
        """Tell the publisher what was taken, unless confirms are held."""
        if not self._faults.confirms_held:
            super().flush_confirms()

    # -- deliveries, one at a time

    def can_receive(self) -> bool:
        """Say whether the channel takes deliveries now."""
        return not self._waits and super().can_receive()

    def receive(self, consumer: Consumer, entry: QueuedMessage) -> None:
        """Take a delivery from a queue and tell the client."""
        super().receive(consumer, entry)
        self._wait()

    def pass_on(self, consumer: Consumer, message: AnyMessage) -> None:
        """Take a delivery that is never acknowledged, and tell the client."""
        super().pass_on(consumer, message)
        self._wait()

    def _wait(self) -> None:
        gap_ms = self._faults.delivery_gap_ms
        if gap_ms:
            self._waits = True
            self.connection.broker.timers.call_at(self._now_ms() + gap_ms, self.wait_no_more)

    def wait_no_more(self) -> None:
        """Go on with deliveries."""
        self._waits = False
        if self.is_open:
            self.run_consumers()

    # -- lost acknowledgements

    def basic_ack(self, delivery_tag: int = 0, multiple: bool = False) -> None:
        """Acknowledge, unless the acknowledgement is to be lost."""
        known = self._tx is None and delivery_tag in self._unacked
        if known and not multiple and self._faults.takes("lost_acks"):
            super().basic_nack(delivery_tag)
        else:
            super().basic_ack(delivery_tag, multiple)

    def settle_entries(self, how: Settlement, entries: Mapping[int, QueuedMessage]) -> None:
        """Settle, but what is acknowledged and lost comes back."""
        if how != "ack" or not self._faults.lost_acks:
            super().settle_entries(how, entries)
            return
        lost = {tag: entry for tag, entry in entries.items() if self._faults.takes("lost_acks")}
        super().settle_entries("ack", {t: e for t, e in entries.items() if t not in lost})
        super().settle_entries("nack_requeue", lost)
