"""Exchanges and bindings of a virtual host: declared, bound, deleted, and what goes with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from leveret.engine.durable import (
    exchange_value,
)
from leveret.errors import (
    AccessRefused,
    CommandInvalid,
    PreconditionFailed,
)
from leveret.exchanges import (
    BindingLimits,
    DelayedExchange,
    Exchange,
)
from leveret.exchanges.delayed import DELAYED_TYPE
from leveret.queues.arguments import (
    assert_equal,
    assert_same_arguments,
)

if TYPE_CHECKING:
    from leveret.properties import FieldTable
    from leveret.routing import Binding

from leveret.engine.virtual_host_base import VirtualHostBase

__all__ = ["ExchangeDeclarations"]


class ExchangeDeclarations(VirtualHostBase):
    """The part of a virtual host that declares and binds exchanges."""

    __slots__ = ()

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


def _refuse_reserved(kind: str, name: str) -> None:
    if name.startswith("amq."):
        raise AccessRefused(f"{kind} name '{name}' contains reserved prefix 'amq.*'")
