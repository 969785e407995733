"""What a transactional channel has put off until tx.commit (S65)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from attrs import define, field

if TYPE_CHECKING:
    from collections.abc import Iterable

    from leveret.engine.delays import Target
    from leveret.queues import AnyMessage, QueuedMessage

    Publish: TypeAlias = tuple[AnyMessage, tuple[Target, ...], bool]

__all__ = ["Settlement", "Transaction"]

#: How messages are settled.
Settlement: TypeAlias = Literal["ack", "reject", "nack_requeue", "reject_requeue"]


@define(eq=False)
class Transaction:
    """Publishes (message, where it was routed to, mandatory) and settlements, in order."""

    publishes: list[Publish] = field(factory=list, init=False)
    # runs of settlements of one kind, each with delivery tag -> message
    settlements: list[tuple[Settlement, dict[int, QueuedMessage]]] = field(factory=list, init=False)
    #: The bodies of the publishes together, in bytes.
    size: int = field(default=0, init=False)

    def publish(self, message: AnyMessage, targets: tuple[Target, ...], mandatory: bool) -> None:
        """Put off a publish."""
        self.publishes.append((message, targets, mandatory))
        self.size += message.size

    def settle(self, how: Settlement, entries: Iterable[tuple[int, QueuedMessage]]) -> None:
        """Put off a settlement; runs of one kind are done together at commit."""
        if not self.settlements or self.settlements[-1][0] != how:
            self.settlements.append((how, {}))
        self.settlements[-1][1].update(entries)

    def restore(self, unacked: dict[int, QueuedMessage]) -> dict[int, QueuedMessage]:
        """Return what is unacknowledged when all this is undone, in the order of tags."""
        tags = dict(unacked)
        for _, entries in self.settlements:
            tags.update(entries)
        return dict(sorted(tags.items()))

    def clear(self) -> None:
        """Begin anew, after commit or rollback."""
        self.publishes.clear()
        self.settlements.clear()
        self.size = 0
