"""A virtual host: its exchanges, queues, bindings and policies, and how they change together.

It refuses what RabbitMQ refuses, in RabbitMQ's order and words. Who may do what is checked before,
by the channel.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, cast

from attrs import define, field

from leveret.clock import ManualClock, ticker
from leveret.engine.dead_letters import DeadLetters
from leveret.engine.delays import DelayedRoute, Delays
from leveret.engine.duplicates import Duplicates
from leveret.engine.durable import (
    binding_key,
    binding_value,
    exchange_value,
    keep_messages,
    policy_value,
    queue_value,
)
from leveret.engine.events import Event
from leveret.engine.policies import Policies, Policy
from leveret.engine.unroutable import UnroutableLog
from leveret.engine.validators import Validators
from leveret.errors import (
    AccessRefused,
    CommandInvalid,
    InternalError,
    NotFound,
    NotImplementedByBroker,
    PreconditionFailed,
    ResourceLocked,
)
from leveret.exchanges import (
    BindingLimits,
    DefaultExchange,
    DelayedExchange,
    Exchange,
    Router,
)
from leveret.exchanges.delayed import DELAYED_TYPE
from leveret.properties import Long
from leveret.queues import (
    AnyMessage,
    DeduplicatingQueue,
    Queue,
    QueueSettings,
    effective_settings,
)
from leveret.queues.ages import GAP_S
from leveret.queues.arguments import (
    QUEUE_TYPES,
    assert_equal,
    assert_same_arguments,
    check_arguments,
    known_arguments,
    queue_type,
)
from leveret.routing import Binding, BindingTable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from leveret.engine.broker import Broker
    from leveret.engine.delays import Target
    from leveret.engine.statistics import ExchangeStatistics, VirtualHostStatistics
    from leveret.properties import FieldTable, FieldValue
    from leveret.queues.stream import StreamQueue

__all__ = ["PREDECLARED_EXCHANGES", "VirtualHost"]

#: The exchanges that every virtual host begins with (AMQP 0-9-1 section 3.1.3): name -> type.
PREDECLARED_EXCHANGES = {
    "amq.direct": "direct",
    "amq.fanout": "fanout",
    "amq.topic": "topic",
    "amq.headers": "headers",
    "amq.match": "headers",
}


_TRANSIENT_QUEUES_DENIED = (
    "Feature `transient_nonexcl_queues` is deprecated.\n"
    "By default, this feature is not permitted anymore.\n"
    "The feature will be removed from a future major RabbitMQ version, regardless of the"
    " configuration; actual version to be determined.\n"
    "To continue using this feature when it is not permitted by default, set the following"
    " parameter in your configuration:\n"
    '    "deprecated_features.permit.transient_nonexcl_queues = true"'
)


@define(eq=False)
class VirtualHost:
    """One namespace. Its queues know it as their host."""

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
        self.mark_gap_s = 0.0 if isinstance(self.broker.clock, ManualClock) else GAP_S
        self.tick = ticker(self.broker.clock) if self.broker.keeps_ages else None
        self.dead_letters = DeadLetters(self)
        self.delays = Delays(self)
        self.duplicates = Duplicates(self)
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
        self.remove_queue(queue, reason)

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

    # -- exchanges

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

    def check_exchange_type(self, kind: str) -> None:
        """Refuse an exchange type that is not known (S14).

        Raises:
            PreconditionFailed: it is unknown; CommandInvalid where the profile is an old one.

        """
        if kind not in self.broker.exchange_types:
            text = f"{'unknown' if kind else 'invalid'} exchange type '{kind}'"
            if self.broker.profile.unknown_exchange_type_is_soft:
                raise PreconditionFailed(text)
            raise CommandInvalid(text)

    def declare_exchange(
        self,
        name: str,
        kind: str,
        *,
        durable: bool,
        auto_delete: bool,
        internal: bool,
        arguments: FieldTable,
    ) -> Exchange:
        """Return the exchange of that name, made now or there before and equivalent (S1, S5).

        Raises:
            AccessRefused: the name is reserved (S11).
            PreconditionFailed: an argument is refused, or what is there is not equivalent.

        """
        exchange = self.exchanges.get(name)
        if exchange is None:
            _refuse_reserved("exchange", name)
            delayed_type = arguments.get(DELAYED_TYPE)
            if kind == DelayedExchange.type and isinstance(delayed_type, str):
                self.check_exchange_type(delayed_type)
            exchange = self.broker.exchange_types.create(
                kind,
                name,
                durable=durable,
                auto_delete=auto_delete,
                internal=internal,
                arguments=arguments,
                virtual_host=self.name,
            )
            self.exchanges[name] = exchange
            self.published.setdefault(name, 0)
            self._apply_policy_to_exchange(exchange)
            self.duplicates.keep("exchange", name, exchange.identifiers, exchange.durable)
            self.changed()
            if exchange.durable:
                self.note("exchange", (name,), exchange_value(exchange))
            self.emit("exchange.created", name=name, type=kind)
            return exchange
        resource = self.describe("exchange", name)
        assert_equal("type", exchange.type, kind, resource)
        assert_equal("durable", exchange.durable, durable, resource)
        assert_equal("auto_delete", exchange.auto_delete, auto_delete, resource)
        assert_equal("internal", exchange.internal, internal, resource)
        assert_same_arguments(("alternate-exchange",), exchange.arguments, arguments, resource)
        return exchange

    def delete_exchange(self, name: str, *, if_unused: bool) -> None:
        """Delete an exchange and its bindings; nothing happens where there is none (S28).

        Raises:
            AccessRefused: it is one of the broker's own (S25).
            PreconditionFailed: `if_unused`, and it is the source of a binding (S31).

        """
        resource = self.describe("exchange", name)
        if name.startswith("amq."):
            raise AccessRefused(f"deletion of system {resource} not allowed")
        exchange = self.exchanges.get(name)
        if exchange is None:
            return
        if if_unused and exchange.bindings:
            raise PreconditionFailed(f"{resource} in use")
        self._remove_exchanges([name])

    def _remove_exchanges(self, names: list[str]) -> None:
        """Remove exchanges, their bindings, and auto-delete exchanges that lose their last one."""
        for name in names:
            exchange = self.exchanges.pop(name, None)
            if exchange is None:
                continue
            if exchange.durable:
                self.note("exchange", (name,), None)
            self.duplicates.forget(name, exchange.identifiers)
            self.published.pop(name, None)
            for binding in self.bindings.drop_source(name):
                self._note_binding(binding, gone=True)
            names.extend(self._drop_bindings_to("exchange", name))
            self.emit("exchange.deleted", name=name)
        self.changed()

    def _drop_bindings_to(self, destination_type: Any, name: str) -> list[str]:
        """Remove all bindings to a destination; return the auto-delete exchanges now unused."""
        unused = []
        for binding in list(self.bindings.to_destination(destination_type, name)):
            if self._remove_binding(binding):
                unused.append(binding.source)
        return unused

    # -- queues

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

    def declare_queue(
        self,
        name: str,
        *,
        durable: bool,
        owner: object | None,
        auto_delete: bool,
        arguments: FieldTable,
    ) -> Queue:
        """Return the queue of that name, made now or there before and equivalent (S1–S4, S9).

        Raises:
            ResourceLocked: it is another connection's.
            PreconditionFailed: an argument is refused (S15–S19), or it is not equivalent.
            InternalError: the profile has no transient queues (S20).

        """
        durable = durable and owner is None
        queue = self.queues.get(name)
        resource = self.describe("queue", name)
        if queue is None:
            return self._create_queue(name, durable, owner, auto_delete, arguments)
        self.check_exclusive(queue, owner, strict=True)
        assert_equal("durable", queue.durable, durable, resource)
        assert_equal("auto_delete", queue.auto_delete, auto_delete, resource)
        names = known_arguments(queue.settings.type, queue.rules)
        assert_same_arguments(names, queue.arguments, arguments, resource)
        queue.touch()
        return queue

    def _create_queue(
        self,
        name: str,
        durable: bool,
        owner: object | None,
        auto_delete: bool,
        arguments: FieldTable,
    ) -> Queue:
        resource = self.describe("queue", name)
        check_arguments(arguments, resource, self.broker.profile.queues)
        kind = queue_type(arguments)
        if kind != "classic":
            _check_replicated_properties(resource, durable, owner, auto_delete)
        if not (durable or owner is not None or self.broker.profile.transient_queues):
            raise InternalError(_TRANSIENT_QUEUES_DENIED)
        make = DeduplicatingQueue if arguments.get("x-message-deduplication") is True else Queue
        if kind == "stream":  # imported when first made: most programs have none
            from leveret.queues.stream import StreamQueue as make
        queue = make(
            name,
            self,
            self._settings(name, arguments),
            durable,
            owner,
            auto_delete,
            dict(arguments),
            self.broker.profile.queues,
        )
        if kind == "stream":
            groups = cast("StreamQueue", queue).groups
            groups.noted = partial(self._note_stream_offset, name)
        self.queues[name] = queue
        if isinstance(queue, DeduplicatingQueue):
            self.duplicates.keep("queue", name, queue.identifiers, durable)
        self.changed()
        if durable:
            self._keep(queue)
        self.emit("queue.created", name=name)
        return queue

    def delete_queue(self, queue: Queue, *, if_unused: bool, if_empty: bool) -> int:
        """Delete a queue; return how many messages were ready.

        Raises:
            PreconditionFailed: a flag forbids it (S29).
            NotImplementedByBroker: a flag on a quorum queue (S30).

        """
        resource = self.describe("queue", queue.name)
        if queue.settings.type == "quorum" and (if_unused or if_empty):
            flag = "if-unused" if if_unused else "if-empty"
            raise NotImplementedByBroker(
                f"cannot delete {resource}. queue.delete operations with {flag} flag set are not"
                " supported by quorum queues"
            )
        if queue.settings.type == "stream":  # seen live: the flags do not count there
            if_unused = if_empty = False
        if if_unused and queue.consumers.registered:
            raise PreconditionFailed(f"{resource} in use")
        if if_empty and queue.ready_count:
            raise PreconditionFailed(f"{resource} not empty")
        return self.remove_queue(queue, "deleted")

    def remove_queue(self, queue: Queue, reason: str) -> int:
        """Remove a queue and its bindings for good; return how many messages were ready."""
        if self.queues.get(queue.name) is not queue:
            return 0
        del self.queues[queue.name]
        if queue.journal is not None:
            self.note("queue", (queue.name,), None)
        if isinstance(queue, DeduplicatingQueue) and queue.identifiers is not None:
            queue.identifiers.drop()
        self.dead_letters.forget(queue)
        unused = self._drop_bindings_to("queue", queue.name)
        if unused:
            self._remove_exchanges(unused)
        self.changed()
        count = queue.delete()
        self.emit("queue.deleted", name=queue.name, reason=reason)
        return count

    # -- bindings

    def bind(self, binding: Binding, owner: object) -> None:
        """Add a binding; one that is there already stays as it is (S32).

        Raises:
            NotFound: source or destination does not exist.
            ResourceLocked: the queue is another connection's.
            PreconditionFailed: the exchange type refuses the binding (S49, S54).

        """
        source = self.exchange(binding.source)
        if binding.destination_type == "queue":
            self.check_exclusive(self.queue(binding.destination), owner)
        else:
            self.exchange(binding.destination)
        limits = BindingLimits(topic_hash_words=self.broker.profile.topic_hash_words)
        source.validate_binding(binding, limits)
        if self.bindings.add(binding):
            source.bind(binding)
            self.changed()
            self._note_binding(binding)
            self.emit("binding.created", binding=binding)

    def unbind(self, binding: Binding, owner: object) -> None:
        """Remove a binding; nothing happens where there is none (S28).

        Raises:
            ResourceLocked: the queue is another connection's.

        """
        if binding not in self.bindings:
            return
        if binding.destination_type == "queue":
            self.check_exclusive(self.queue(binding.destination), owner)
        if self._remove_binding(binding):
            self._remove_exchanges([binding.source])
        self.changed()
        self.emit("binding.deleted", binding=binding)

    def _remove_binding(self, binding: Binding) -> bool:
        """Remove a binding; say whether its source, auto-delete, lost its last one (S35)."""
        self.bindings.remove(binding)
        self._note_binding(binding, gone=True)
        source = self.exchanges.get(binding.source)
        if source is None:
            return False
        source.unbind(binding)
        return source.auto_delete and not source.bindings

    # -- policies

    def set_policy(self, policy: Policy, *, operator: bool = False) -> None:
        """Add or replace a policy and put it in force, also on what exists (S100)."""
        policies = self.policies
        (policies.operator_policies if operator else policies.policies)[policy.name] = policy
        self.note(_policy_kind(operator), (policy.name,), policy_value(policy))
        self.apply_policies()

    def clear_policy(self, name: str, *, operator: bool = False) -> None:
        """Remove a policy; nothing happens where there is none."""
        policies = self.policies
        (policies.operator_policies if operator else policies.policies).pop(name, None)
        self.note(_policy_kind(operator), (name,), None)
        self.apply_policies()

    def apply_policies(self) -> None:
        """Work out anew what holds for every exchange and queue."""
        for exchange in self.exchanges.values():
            self._apply_policy_to_exchange(exchange)
        self.changed()
        for queue in list(self.queues.values()):
            settings = self._settings(queue.name, queue.arguments)
            if settings != queue.settings:
                queue.apply(settings)

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

    def remove_all(self) -> None:
        """Remove everything in it, for good."""
        self.delays.clear()
        for queue in list(self.queues.values()):
            self.remove_queue(queue, "virtual_host_deleted")
        self._remove_exchanges([name for name in self.exchanges if name])
        for policies, operator in (
            (self.policies.policies, False),
            (self.policies.operator_policies, True),
        ):
            for name in list(policies):
                self.clear_policy(name, operator=operator)

    # -- looking

    def statistics(self) -> VirtualHostStatistics:
        """Return the figures as they are now."""
        from leveret.engine.statistics import VirtualHostStatistics

        queues = tuple(queue.statistics() for queue in self.queues.values())
        published = sum(self.published.values())
        return VirtualHostStatistics(
            name=self.name,
            ready=sum(queue.ready for queue in queues),
            unacked=sum(queue.unacked for queue in queues),
            bytes=sum(queue.ready_bytes + queue.unacked_bytes for queue in queues),
            published=published,
            routed=published - self.unroutable.total,
            unroutable=self.unroutable.entries(),
            dead_letter_cycles=self.dead_letters.cycles,
            delayed=len(self.delays),
            exchanges=tuple(map(self._exchange_statistics, self.exchanges.values())),
            queues=queues,
            validators=self.validators.statistics(),
        )

    def _exchange_statistics(self, exchange: Exchange) -> ExchangeStatistics:
        from leveret.engine.statistics import ExchangeStatistics

        published = self.published[exchange.name]
        unroutable = self.unroutable.by_exchange.get(exchange.name, 0)
        return ExchangeStatistics(
            name=exchange.name,
            type=exchange.type,
            bindings=len(exchange.bindings),
            published=published,
            routed=published - unroutable,
            unroutable=unroutable,
            delayed=self.delays.by_exchange.get(exchange.name, 0),
            duplicates=0 if exchange.identifiers is None else exchange.identifiers.duplicates,
        )

    def check(self) -> None:
        """Assert that bindings, exchanges and queues agree, and each queue with itself."""
        self.bindings.check()
        for binding in self.bindings:
            assert binding in self.exchanges[binding.source].bindings
            there = self.queues if binding.destination_type == "queue" else self.exchanges
            assert binding.destination in there
        for exchange in self.exchanges.values():
            exchange.check()
        for queue in self.queues.values():
            queue.check()
        self.delays.check()


def _policy_kind(operator: bool) -> str:
    return "operator_policy" if operator else "policy"


def _refuse_reserved(kind: str, name: str) -> None:
    if name.startswith("amq."):
        raise AccessRefused(f"{kind} name '{name}' contains reserved prefix 'amq.*'")


def _check_replicated_properties(
    resource: str, durable: bool, owner: object | None, auto_delete: bool
) -> None:
    """Refuse what a quorum queue or a stream cannot be (S19)."""
    refused = (
        ("auto-delete", auto_delete),
        ("exclusive-owner", owner is not None),
        ("non-durable", not durable),
    )
    for what, wrong in refused:
        if wrong:
            raise PreconditionFailed(f"invalid property '{what}' for {resource}")


def check_server_named(arguments: FieldTable) -> None:
    """Refuse a queue type that cannot have a server-made name (S13).

    Raises:
        PreconditionFailed: it is such a type.

    """
    kind = queue_type(arguments)
    if kind != "classic":
        raise PreconditionFailed(
            f"Cannot declare a server-named queue for type {QUEUE_TYPES[kind]}"
        )
