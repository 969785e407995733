"""What all parts of a virtual host use: its state, its look-ups, what it notes in a journal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from attrs import define, field

from leveret.clock import ManualClock, ticker
from leveret.engine.dead_letters import DeadLetters
from leveret.engine.delays import DelayedRoute, Delays
from leveret.engine.duplicates import Duplicates
from leveret.engine.durable import (
    binding_key,
    binding_value,
    keep_messages,
    queue_value,
)
from leveret.engine.events import Event
from leveret.engine.policies import Policies
from leveret.engine.unroutable import UnroutableLog
from leveret.engine.validators import Validators
from leveret.errors import (
    NotFound,
    ResourceLocked,
)
from leveret.exchanges import (
    DefaultExchange,
    Exchange,
    Router,
)
from leveret.properties import Long
from leveret.queues import (
    AnyMessage,
    Queue,
    QueueSettings,
    effective_settings,
)
from leveret.queues.ages import GAP_S
from leveret.queues.arguments import (
    queue_type,
)
from leveret.routing import Binding, BindingTable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from leveret.engine.broker import Broker
    from leveret.engine.delays import Target
    from leveret.engine.virtual_host import VirtualHost
    from leveret.properties import FieldTable, FieldValue

__all__ = ["PREDECLARED_EXCHANGES", "VirtualHostBase"]

#: The exchanges that every virtual host begins with (AMQP 0-9-1 section 3.1.3): name -> type.
PREDECLARED_EXCHANGES = {
    "amq.direct": "direct",
    "amq.fanout": "fanout",
    "amq.topic": "topic",
    "amq.headers": "headers",
    "amq.match": "headers",
}


@define(eq=False)
class VirtualHostBase:
    """The state of a virtual host. Its queues know it as their host."""

    name: str
    broker: Broker
    # name -> exchange; "" is the default exchange
    exchanges: dict[str, Exchange] = field(factory=dict, init=False)
    # name -> queue
    queues: dict[str, Queue] = field(factory=dict, init=False)
    bindings: BindingTable = field(factory=BindingTable, init=False)
    policies: Policies = field(factory=Policies, init=False)
    #: Seconds on the broker's clock, from any beginning; None while nobody asks for ages.
    tick: Callable[[], float] | None = field(init=False)
    mark_gap_s: float = field(init=False)
    router: Router[Target] = field(init=False)
    dead_letters: DeadLetters = field(init=False)
    #: Messages held back until a time.
    delays: Delays = field(init=False)
    duplicates: Duplicates = field(init=False)
    #: Who looks into messages before they are taken.
    validators: Validators = field(init=False)
    unroutable: UnroutableLog = field(factory=UnroutableLog, init=False)
    # exchange -> messages published to it by clients
    published: dict[str, int] = field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        host = cast("VirtualHost", self)
        self.mark_gap_s = 0.0 if isinstance(self.broker.clock, ManualClock) else GAP_S
        self.tick = ticker(self.broker.clock) if self.broker.keeps_ages else None
        self.dead_letters = DeadLetters(host)
        self.delays = Delays(host)
        self.duplicates = Duplicates(host)
        self.validators = Validators(lambda: self.broker.users.forget_publishable(self.name))
        self.router = Router(self.exchanges, self.queues, self.broker.random, held_by=self._held_by)
        self.exchanges[""] = DefaultExchange()
        self.published[""] = 0
        for name, kind in PREDECLARED_EXCHANGES.items():
            self.exchanges[name] = self.broker.exchange_types.create(kind, name)
            self.published[name] = 0

    # -- the host of its queues

    def now_ms(self) -> int:
        """Return the present in milliseconds."""
        return self.broker.clock.now_ms()

    def keep_ages(self) -> None:
        """Have queues know the age of their oldest message from now on."""
        self.tick = ticker(self.broker.clock)
        for queue in self.queues.values():
            queue.keep_ages()

    def call_at(self, deadline_ms: int, call: Callable[[], None]) -> tuple[int, int]:
        """Call back when the clock reaches `deadline_ms`; return what `Timers.cancel` takes."""
        return self.broker.timers.call_at(deadline_ms, call)

    def soon(self, call: Callable[[], None]) -> None:
        """Call back before the operation that is under way returns, when it is through."""
        self.broker.work.append(call)

    def message_died(self, queue: Queue, message: AnyMessage, reason: str) -> None:
        """Take a message that left a queue unconsumed."""
        if self.broker.events.active:
            name = {"rejected": "rejected", "expired": "expired", "maxlen": "dropped"}
            self.emit(f"message.{name.get(reason, reason)}", queue=queue.name, message=message)
        if queue.settings.dead_letter_exchange is not None:
            self.dead_letters.add(queue, message, reason)

    def queue_ended(self, queue: Queue, reason: str) -> None:
        """Delete a queue whose lease ran out or whose last consumer left."""
        cast("VirtualHost", self).remove_queue(queue, reason)

    def duplicate_dropped(self, queue: Queue, message: AnyMessage) -> None:
        """Hear that a queue took no message that it was given before."""
        self.duplicates.dropped(message, (queue,))

    def emit(self, event: str, /, **fields: Any) -> None:
        """Tell whoever listens that something happened."""
        if self.broker.events.active:
            self.broker.events.emit(Event(event, self.now_ms(), self.name, fields))

    def changed(self) -> None:
        """Forget what was remembered about routes: the topology is another one now."""
        self.router.invalidate()
        self.broker.users.forget_publishable(self.name)
        self.dead_letters.retry()

    def _held_by(self, exchange: str) -> DelayedRoute:
        return DelayedRoute(exchange, self.delays)

    # -- what must survive

    def note(self, kind: str, key: tuple[str, ...], value: Mapping[str, FieldValue] | None) -> None:
        """Have the journal, where there is one, keep an object as it is now (S39)."""
        if self.broker.journal is not None:
            self.broker.journal.changed(kind, (self.name, *key), value)

    def _note_binding(self, binding: Binding, *, gone: bool = False) -> None:
        """Note a binding, unless one of its ends was not durable (S39)."""
        if self.broker.journal is not None and (gone or self._is_durable(binding)):
            self.note("binding", binding_key(binding), None if gone else binding_value(binding))

    def _is_durable(self, binding: Binding) -> bool:
        if binding.destination_type == "queue":
            destination: Queue | Exchange = self.queues[binding.destination]
        else:
            destination = self.exchanges[binding.destination]
        return self.exchanges[binding.source].durable and destination.durable

    def _keep(self, queue: Queue) -> None:
        """Have a durable queue and what it holds survive."""
        journal = self.broker.journal
        if journal is not None:
            queue.journal_id = self.broker.new_queue_id()
            self.note("queue", (queue.name,), queue_value(queue))
            keep_messages(queue, journal)

    def _note_stream_offset(self, queue: str, group: str, offset: int | None) -> None:
        value = None if offset is None else {"offset": Long(offset)}
        self.note("stream_offset", (queue, group), value)

    # -- looking up

    def describe(self, kind: str, name: str) -> str:
        """Name a resource as RabbitMQ's texts do: `queue 'q' in vhost '/'`."""
        return f"{kind} '{name}' in vhost '{self.name}'"

    def exchange(self, name: str) -> Exchange:
        """Return an exchange.

        Raises:
            NotFound: there is none of that name (S7, S26).

        """
        try:
            return self.exchanges[name]
        except KeyError:
            raise NotFound(f"no {self.describe('exchange', name)}") from None

    def queue(self, name: str) -> Queue:
        """Return a queue.

        Raises:
            NotFound: there is none of that name (S7).

        """
        try:
            return self.queues[name]
        except KeyError:
            raise NotFound(f"no {self.describe('queue', name)}") from None

    def check_exclusive(self, queue: Queue, owner: object, *, strict: bool = False) -> None:
        """Refuse a queue that another connection owns (S8–S10).

        `strict` is for queue.declare, where `owner` is None for a declaration that is not
        exclusive, which must then not meet an exclusive queue either.

        Raises:
            ResourceLocked: the queue is exclusive to another connection.

        """
        current = queue.exclusive_owner
        if current is owner or (current is None and not strict):
            return
        raise ResourceLocked(
            f"cannot obtain exclusive access to locked {self.describe('queue', queue.name)}. It"
            " could be originally declared on another connection or the exclusive property value"
            " does not match that of the original declaration."
        )

    # -- what policies decide

    def _apply_policy_to_exchange(self, exchange: Exchange) -> None:
        value: FieldValue = exchange.arguments.get("alternate-exchange")
        if value is None and exchange.name:
            value = self.policies.definition("exchange", exchange.name).get("alternate-exchange")
        exchange.alternate = value if isinstance(value, str) else None

    def _settings(self, name: str, arguments: FieldTable) -> QueueSettings:
        return effective_settings(
            arguments,
            self.policies.definition(queue_type(arguments), name),
            default_delivery_limit=self.broker.profile.queues.delivery_limit,
            rules=self.broker.profile.queues,
        )
