"""The parts of an explanation: where messages come from, and where they go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from attrs import frozen

if TYPE_CHECKING:
    from leveret.config.model import BindingDeclaration, DestinationType
    from leveret.properties import FieldValue
    from leveret.routing import KeySet

__all__ = [
    "Chance",
    "DeadLetters",
    "Death",
    "Destination",
    "Example",
    "Fate",
    "Leftover",
    "Reason",
    "Source",
    "example_dict",
]

#: Why a message dies, in RabbitMQ's words (S101).
Reason: TypeAlias = Literal["expired", "rejected", "maxlen", "delivery_limit"]

#: What chooses among the bindings of an exchange, if neither key nor headers do.
Chance: TypeAlias = Literal["", "hash", "random", "plug-in"]


@frozen
class Example:
    """A message that gets through."""

    exchange: str
    routing_key: str
    headers: dict[str, FieldValue]

    def to_dict(self) -> dict[str, Any]:
        """Return what a publisher would say."""
        return {"routing_key": self.routing_key, "headers": self.headers}


@frozen
class Death:
    """One way for a message to die in a queue."""

    reason: Reason
    #: Of `expired`: after how long in the queue.
    after_ms: int | None = None
    #: Of `maxlen`: how many messages, or bytes of their bodies, fit. The oldest goes, or with
    #: `newest` the one that comes.
    max_length: int | None = None
    max_length_bytes: int | None = None
    newest: bool = False
    #: Of `delivery_limit`: how often it may be returned to the queue.
    deliveries: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return what it is and what it is measured by."""
        values = {
            "reason": self.reason,
            "after_ms": self.after_ms,
            "max_length": self.max_length,
            "max_length_bytes": self.max_length_bytes,
            "newest": self.newest or None,
            "deliveries": self.deliveries,
        }
        return {name: value for name, value in values.items() if value is not None}


@frozen
class Source:
    """An exchange from which messages come, what they must be like, and what leads to it."""

    #: "" is the default exchange.
    exchange: str
    type: str
    #: Nothing is published to it directly.
    internal: bool
    #: Those that lead on from it; none where it leads on as to its alternate.
    bindings: tuple[BindingDeclaration, ...]
    #: What each asks for, in a few words.
    labels: tuple[str, ...]
    as_alternate: bool
    chance: Chance
    #: The keys that get from here to what is explained.
    keys: KeySet
    #: Whether `keys` says less than the bindings do: a later step lets fewer through.
    narrowed: bool
    #: Whether it is certain that nothing gets through.
    closed: bool
    example: Example | None
    sources: tuple[Source | DeadLetters, ...]
    #: How many more sources there are, past what anybody would read.
    more: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return it with all that leads to it."""
        return {
            "exchange": self.exchange,
            "type": self.type,
            "internal": self.internal,
            "as_alternate": self.as_alternate,
            "bindings": [_binding_dict(binding) for binding in self.bindings],
            "chance": self.chance,
            "keys": _keys_dict(self.keys),
            "closed": self.closed,
            "example": example_dict(self.example),
            "sources": [source.to_dict() for source in self.sources],
            "more_sources": self.more,
        }


@frozen
class DeadLetters:
    """A queue whose dead letters come this way, and what leads to it."""

    queue: str
    exchange: str
    #: The key that takes the place of their own; None keeps it (S108).
    routing_key: str | None
    deaths: tuple[Death, ...]
    #: Whether it is the queue that is explained: a circle.
    again: bool
    sources: tuple[Source | DeadLetters, ...]
    more: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return it with all that leads to the queue, told once for each queue."""
        return {
            "dead_letters_of": self.queue,
            "exchange": self.exchange,
            "routing_key": self.routing_key,
            "deaths": [death.to_dict() for death in self.deaths],
            "again": self.again,
            "sources": [source.to_dict() for source in self.sources],
            "more_sources": self.more,
        }


@frozen
class Leftover:
    """Messages that no binding of an exchange takes, where it has no alternate: they are lost."""

    exchange: str
    keys: KeySet
    #: A key that one of them may have.
    example: str | None

    def to_dict(self) -> dict[str, Any]:
        """Return where it is and a key."""
        return {"exchange": self.exchange, "example": self.example}


@frozen
class Destination:
    """Where an exchange leads, with what follows from there."""

    type: DestinationType
    name: str
    #: Of an exchange, its type.
    exchange_type: str
    bindings: tuple[BindingDeclaration, ...]
    labels: tuple[str, ...]
    as_alternate: bool
    chance: Chance
    #: The keys of messages that come here.
    keys: KeySet
    #: Of an alternate: a key that comes to it.
    example: str | None = None
    #: Binding -> one that takes all that it takes.
    covered: tuple[tuple[str, str], ...] = ()
    #: Of an exchange: it was come to before, and is told about there.
    seen: bool = False
    onward: tuple[Destination, ...] = ()
    leftover: Leftover | None = None
    #: Of a queue that dead letters come to: what becomes of them there.
    fate: Fate | None = None
    more: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return it with all that follows."""
        found: dict[str, Any] = {
            "type": self.type,
            "name": self.name,
            "as_alternate": self.as_alternate,
            "bindings": [_binding_dict(binding) for binding in self.bindings],
            "chance": self.chance,
            "keys": _keys_dict(self.keys),
            "example": self.example,
        }
        if self.type == "exchange":
            found |= {
                "exchange_type": self.exchange_type,
                "seen_before": self.seen,
                "onward": [one.to_dict() for one in self.onward],
                "leftover": None if self.leftover is None else self.leftover.to_dict(),
                "more_destinations": self.more,
            }
        if self.covered:
            found["covered"] = [{"key": key, "by": by} for key, by in self.covered]
        if self.fate is not None:
            found["fate"] = self.fate.to_dict()
        return found


@frozen
class Fate:
    """What becomes of messages in a queue: who is not consumed dies, and goes on or is lost."""

    queue: str
    #: The times in the queues on the way here, one after the other, since the messages left the
    #: last one where nothing expires.
    waited_ms: tuple[int, ...]
    deaths: tuple[Death, ...]
    #: None discards what dies.
    dead_letter_exchange: str | None = None
    dead_letter_exchange_type: str = ""
    #: None keeps the message's own.
    dead_letter_routing_key: str | None = None
    exchange_exists: bool = True
    #: Dead letters that find no queue wait where they are (S114).
    at_least_once: bool = False
    onward: tuple[Destination, ...] = ()
    leftover: Leftover | None = None
    more: int = 0
    #: Whether a new message is refused while the queue is full.
    refuses: bool = False
    max_length: int | None = None
    max_length_bytes: int | None = None
    #: Whether messages were here before on their way: a circle. What follows is told there.
    again: bool = False
    #: In a circle: whether RabbitMQ ends it for what nobody rejected on the way (S110).
    ends: bool = False
    #: Too many steps from the first queue to be followed further.
    cut: bool = False

    @property
    def leaves_after_ms(self) -> tuple[int, ...] | None:
        """`waited_ms`, and the time until a message expires here; None if it never does."""
        for death in self.deaths:
            if death.after_ms is not None:
                return (*self.waited_ms, death.after_ms)
        return None

    def to_dict(self) -> dict[str, Any]:
        """Return it with all that follows."""
        found: dict[str, Any] = {
            "queue": self.queue,
            "waited_ms": list(self.waited_ms),
        }
        if self.again:
            return found | {"again": True, "dropped_unless_rejected": self.ends}
        return found | {
            "deaths": [death.to_dict() for death in self.deaths],
            "dead_letter_exchange": self.dead_letter_exchange,
            "dead_letter_routing_key": self.dead_letter_routing_key,
            "refuses_when_full": self.refuses,
            "onward": [one.to_dict() for one in self.onward],
            "leftover": None if self.leftover is None else self.leftover.to_dict(),
            "more_destinations": self.more,
            "cut": self.cut,
        }


def _binding_dict(binding: BindingDeclaration) -> dict[str, Any]:
    return {
        "routing_key": binding.routing_key,
        "arguments": dict(binding.arguments),
        "place": None if binding.position is None else str(binding.position),
    }


def _keys_dict(keys: KeySet) -> dict[str, Any]:
    return {
        "keys": list(keys.keys),
        "patterns": [str(pattern) for pattern in keys.patterns],
        "less_what_others_take": bool(keys.taken),
        "exact": keys.exact,
    }


def example_dict(example: Example | None) -> dict[str, Any] | None:
    """Return an example as plain dicts, or None for none."""
    return None if example is None else example.to_dict()
