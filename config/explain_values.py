"""What an explanation of a topology says: values, for a program to read or to be drawn as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import frozen

from leveret.config.explain_parts import example_dict

if TYPE_CHECKING:
    from leveret.config.explain_parts import (
        DeadLetters,
        Destination,
        Example,
        Fate,
        Leftover,
        Source,
    )

__all__ = ["ExchangeExplanation", "PairExplanation", "QueueExplanation", "Together"]


class _Json:
    """What explanations have in common."""

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as plain dicts, lists and strings; header values as they are."""
        raise NotImplementedError

    def to_json(self, *, indent: int | None = None) -> str:
        """Return `to_dict()` as JSON; what JSON cannot say (bytes, times) becomes text."""
        import json

        return json.dumps(self.to_dict(), indent=indent, ensure_ascii=False, default=str)


@frozen
class QueueExplanation(_Json):
    """What can reach a queue, and what becomes of it there."""

    virtual_host: str
    queue: str
    #: `classic` or `quorum`.
    type: str
    durable: bool
    exclusive: bool
    auto_delete: bool
    #: After so long without use the queue is deleted, with its messages (S92).
    expires_ms: int | None
    max_priority: int | None
    single_active_consumer: bool
    #: The policy that applies, and the operator policy.
    policy: str | None
    operator_policy: str | None
    sources: tuple[Source | DeadLetters, ...]
    more_sources: int
    fate: Fate

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as plain dicts, lists and strings."""
        return {
            "kind": "queue",
            "virtual_host": self.virtual_host,
            "queue": self.queue,
            "type": self.type,
            "durable": self.durable,
            "exclusive": self.exclusive,
            "auto_delete": self.auto_delete,
            "expires_ms": self.expires_ms,
            "policy": self.policy,
            "operator_policy": self.operator_policy,
            "sources": [source.to_dict() for source in self.sources],
            "more_sources": self.more_sources,
            "fate": self.fate.to_dict(),
        }

    def __str__(self) -> str:
        from leveret.config.explain_text import queue_text

        return queue_text(self)


@frozen
class ExchangeExplanation(_Json):
    """What an exchange does with messages, and what leads to it."""

    virtual_host: str
    exchange: str
    type: str
    durable: bool
    auto_delete: bool
    internal: bool
    policy: str | None
    operator_policy: str | None
    alternate: str | None
    #: Whom it leads to; the alternate last.
    onward: tuple[Destination, ...]
    more: int
    #: What nothing takes, if there is such a thing and no alternate.
    leftover: Leftover | None
    sources: tuple[Source | DeadLetters, ...]
    more_sources: int

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as plain dicts, lists and strings."""
        return {
            "kind": "exchange",
            "virtual_host": self.virtual_host,
            "exchange": self.exchange,
            "type": self.type,
            "durable": self.durable,
            "auto_delete": self.auto_delete,
            "internal": self.internal,
            "policy": self.policy,
            "operator_policy": self.operator_policy,
            "alternate": self.alternate,
            "onward": [one.to_dict() for one in self.onward],
            "more_destinations": self.more,
            "leftover": None if self.leftover is None else self.leftover.to_dict(),
            "sources": [source.to_dict() for source in self.sources],
            "more_sources": self.more_sources,
        }

    def __str__(self) -> str:
        from leveret.config.explain_text import exchange_text

        return exchange_text(self)


@frozen
class Together:
    """Whether one message to an exchange can reach both of two queues."""

    exchange: str
    type: str
    internal: bool
    #: None where it cannot be told: chance decides, or it was too much work.
    possible: bool | None
    example: Example | None

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain dicts and strings."""
        return {
            "exchange": self.exchange,
            "type": self.type,
            "internal": self.internal,
            "possible": self.possible,
            "example": example_dict(self.example),
        }


@frozen
class PairExplanation(_Json):
    """Whether one message, with one routing key, can reach both of two queues."""

    virtual_host: str
    queues: tuple[str, str]
    #: The exchanges that lead to both.
    exchanges: tuple[Together, ...]

    @property
    def possible(self) -> bool | None:
        """Whether it can over any exchange; None where that cannot be told."""
        found = [one.possible for one in self.exchanges]
        return True if True in found else None if None in found else False

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as plain dicts, lists and strings."""
        return {
            "kind": "pair",
            "virtual_host": self.virtual_host,
            "queues": list(self.queues),
            "possible": self.possible,
            "exchanges": [one.to_dict() for one in self.exchanges],
        }

    def __str__(self) -> str:
        from leveret.config.explain_text import pair_text

        return pair_text(self)
