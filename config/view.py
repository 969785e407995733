"""A virtual host as the checker looks at it: policies applied, both ends of everything indexed."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from attrs import define, field

from leveret.config.model import ExchangeDeclaration
from leveret.config.name_patterns import NamePatterns
from leveret.config.names import PREDECLARED_EXCHANGES
from leveret.config.routes import Routes
from leveret.queues.arguments import QUEUE_TYPES, queue_type
from leveret.queues.policy_keys import merge_definitions
from leveret.queues.rules import RULES
from leveret.queues.settings import QueueSettings, effective_settings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from leveret.config.model import (
        BindingDeclaration,
        Policy,
        QueueDeclaration,
        VirtualHost,
    )
    from leveret.properties import FieldValue

__all__ = ["HostView", "can_take_something", "dies_by_itself"]


@define(eq=False, slots=False)
class HostView:
    """One virtual host under one profile. What it computes, it computes once."""

    host: VirtualHost
    profile: str
    patterns: NamePatterns = field(factory=NamePatterns)

    @cached_property
    def exchanges(self) -> dict[str, ExchangeDeclaration]:
        """Every exchange by name, the broker's own too."""
        own = {
            name: ExchangeDeclaration(name, kind) for name, kind in PREDECLARED_EXCHANGES.items()
        }
        return own | self.host.exchanges

    @cached_property
    def from_exchange(self) -> dict[str, list[BindingDeclaration]]:
        """Exchange -> its bindings, in the order of the file."""
        found: dict[str, list[BindingDeclaration]] = {}
        for binding in self.host.bindings:
            found.setdefault(binding.source, []).append(binding)
        return found

    @cached_property
    def to_queue(self) -> dict[str, list[BindingDeclaration]]:
        """Queue -> the bindings that lead to it, in the order of the file."""
        found: dict[str, list[BindingDeclaration]] = {}
        for binding in self.host.bindings:
            if binding.destination_type == "queue":
                found.setdefault(binding.destination, []).append(binding)
        return found

    @cached_property
    def settings(self) -> dict[str, QueueSettings]:
        """Queue -> what holds for it, policies merged (S100)."""
        policies = self.host.policies or self.host.operator_policies
        plain = QueueSettings()
        return {
            name: self._settings(queue) if queue.arguments or policies else plain
            for name, queue in self.host.queues.items()
        }

    @cached_property
    def partitioned_queue(self) -> dict[str, str]:
        """Partition -> the queue that it is a part of."""
        parts = self.host.partitions.items()
        return {part: name for name, queues in parts for part in queues}

    @cached_property
    def alternates(self) -> dict[str, str]:
        """Exchange -> its alternate exchange, by argument or policy (S37)."""
        found: dict[str, str] = {}
        for name, exchange in self.exchanges.items():
            value = exchange.arguments.get("alternate-exchange")
            if value is None:
                value = self._definition("exchange", name).get("alternate-exchange")
            if isinstance(value, str) and name:  # the default exchange ignores it (S38)
                found[name] = value
        return found

    @cached_property
    def dead_letter_targets(self) -> dict[tuple[str, str | None], list[str]]:
        """(exchange, routing key or None for the message's own) -> the queues that name it."""
        found: dict[tuple[str, str | None], list[str]] = {}
        for name, settings in self.settings.items():
            if settings.dead_letter_exchange is not None:
                key = settings.dead_letter_exchange, settings.dead_letter_routing_key
                found.setdefault(key, []).append(name)
        return found

    @cached_property
    def routes(self) -> Routes:
        """The exchanges, bound."""
        return Routes.of(self.host, self.alternates)

    def onward(self, exchange: str) -> list[str]:
        """Return the exchanges that one leads to, by a binding or as its alternate."""
        found = [
            binding.destination
            for binding in self.from_exchange.get(exchange, ())
            if binding.destination_type == "exchange"
        ]
        if exchange in self.alternates:
            found.append(self.alternates[exchange])
        return found

    def all_onward(self, exchanges: Iterable[str]) -> dict[str, None]:
        """Return the exchanges given and all that they lead to, over any number of steps."""
        found = dict.fromkeys(exchanges)
        work = list(found)
        for name in work:
            for onward in self.onward(name):
                if onward not in found:
                    found[onward] = None
                    work.append(onward)
        return found

    def _settings(self, queue: QueueDeclaration) -> QueueSettings:
        definition = self._definition(queue_type(queue.arguments), queue.name)
        rules = RULES[self.profile]
        return effective_settings(
            queue.arguments, definition, default_delivery_limit=rules.delivery_limit, rules=rules
        )

    def policies_for(self, kind: str, name: str) -> tuple[Policy | None, Policy | None]:
        """Return the policy and the operator policy that apply to an object, by its name.

        `kind` is "exchange", or a queue type.
        """
        policy = self._best(self._policies[kind], name)
        return policy, self._best(self._operator_policies[kind], name)

    def _definition(self, kind: str, name: str) -> dict[str, FieldValue]:
        policy, operator = self.policies_for(kind, name)
        return merge_definitions(
            policy.definition if policy else {}, operator.definition if operator else {}
        )

    def policies_of(self, kind: str, name: str) -> list[Policy]:
        """Return the policy and the operator policy that apply to an object, if there are any.

        `kind` is "exchange", or a queue type.
        """
        both = (self._policies[kind], self._operator_policies[kind])
        return [found for each in both if (found := self._best(each, name)) is not None]

    def _best(self, policies: list[Policy], name: str) -> Policy | None:
        """Return the policy that applies: of those that match, that of the highest priority."""
        for policy in policies:
            if self.patterns.exhausted:
                return None
            if self.patterns.of(policy.pattern).matches(name):
                return policy
        return None

    @cached_property
    def _policies(self) -> dict[str, list[Policy]]:
        return _by_kind(self.host.policies.values())

    @cached_property
    def _operator_policies(self) -> dict[str, list[Policy]]:
        return _by_kind(self.host.operator_policies.values())


def _by_kind(policies: Iterable[Policy]) -> dict[str, list[Policy]]:
    """Return the policies for exchanges and each type of queue, the highest priority first."""
    ordered = sorted(policies, key=lambda policy: -policy.priority)
    found: dict[str, list[Policy]] = {}
    for kind in ("exchange", *QUEUE_TYPES):
        whole = "exchanges" if kind == "exchange" else "queues"
        wanted = ("all", whole, "streams" if kind == "stream" else f"{kind}_queues")
        found[kind] = [policy for policy in ordered if policy.apply_to in wanted]
    return found


def dies_by_itself(settings: QueueSettings) -> str:
    """Say what makes messages die in a queue though nobody rejects them; "" if nothing does."""
    if settings.type == "stream":  # retention lets go of messages, and they do not die
        return ""
    if settings.message_ttl_ms is not None:
        return "expires"
    limited = settings.max_length is not None or settings.max_length_bytes is not None
    return "is over the limit" if limited and settings.overflow != "reject-publish" else ""


def can_take_something(binding: BindingDeclaration, exchange_type: str) -> bool:
    """Say whether some message takes a binding: `any` of no headers takes none (S50)."""
    if exchange_type != "headers":
        return True
    mode = binding.arguments.get("x-match", "all")
    if mode not in ("any", "any-with-x"):
        return True
    names = [name for name in binding.arguments if name != "x-match"]
    return any(mode == "any-with-x" or not name.startswith("x-") for name in names)
