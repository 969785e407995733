"""A virtual host: its exchanges, queues, bindings and policies, and how they change together.

It refuses what RabbitMQ refuses, in RabbitMQ's order and words. Who may do what is checked before,
by the channel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from leveret.engine.durable import (
    policy_value,
)

if TYPE_CHECKING:
    from leveret.engine.policies import Policy
    from leveret.engine.statistics import ExchangeStatistics, VirtualHostStatistics
    from leveret.exchanges import (
        Exchange,
    )

from leveret.engine.virtual_host_queues import QueueDeclarations

__all__ = ["VirtualHost"]


class VirtualHost(QueueDeclarations):
    """One namespace: its exchanges, bindings and queues, under its policies."""

    __slots__ = ()

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
