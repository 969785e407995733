"""What every exchange type has in common: its properties, its bindings, the questions it answers.

An exchange compiles a binding when it is bound and only looks things up when it routes. Three
questions are asked of it, and their answers agree:

- `route(envelope)`: the bindings that this message takes;
- `candidates(envelope)`: the bindings it might take, which differs only where chance decides;
- `explain(binding, envelope)`: why it takes this binding, or why not.

A type is one small file. It sets `type`, and overrides what differs from the plain case below,
in the order of the methods here. A plug-in type does the same and names itself in the entry-point
group `leveret.exchanges`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Protocol

from attrs import define, field, frozen

from leveret.deduplication import DeduplicationSettings, Identifiers, check_deduplication
from leveret.errors import PreconditionFailed
from leveret.routing import Binding, erlang_type

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from leveret.properties import FieldTable, FieldValue, Properties

__all__ = ["BindingLimits", "Envelope", "Exchange", "Random", "Verdict", "printable", "taken_by"]

_NO_HEADERS: FieldTable = {}


class Random(Protocol):
    """Where chance comes from; `random.Random` fits, and so does a scripted one in a test."""

    def randrange(self, stop: int, /) -> int:
        """Return a number from 0 to `stop - 1`."""
        ...


@define(eq=False)
class Envelope:
    """What routing sees of a message: its keys (the published one first), headers, properties."""

    routing_keys: tuple[str, ...]
    properties: Properties | None
    random: Random

    @property
    def headers(self) -> FieldTable:
        """The headers table; a message without one equals a message with an empty one (S53)."""
        properties = self.properties
        if properties is None or properties.headers is None:
            return _NO_HEADERS
        return properties.headers


@frozen
class BindingLimits:
    """What a compatibility profile refuses in a new binding; `None` means no limit."""

    #: `#` words in one topic binding key (S49). RabbitMQ 4.3.5 allows two, because the cost of
    #: matching in its trie grows with the key's length to the power of this number.
    topic_hash_words: int | None = None


@frozen
class Verdict:
    """Whether one binding takes one message, and the reason in words (empty where plain)."""

    matched: bool
    reason: str = ""


def printable(name: str) -> str:
    """Return a name as it is, quoted only if it has characters that would upset a terminal."""
    return name if name.isprintable() else repr(name)


def taken_by(keys: tuple[str, ...], key: str) -> Verdict:
    """Return the verdict that a key of the message is taken, naming it where there are more."""
    return Verdict(True, f"by routing key {key!r}" if len(keys) > 1 else "")


@define(eq=False)
class Exchange:
    """An exchange and its bindings as source, in the order in which they were bound.

    Bind and unbind cost O(1) beside what the type compiles.
    """

    #: The name of the type, as in exchange.declare.
    type: ClassVar[str]
    #: The result depends on the routing keys alone, so that it may be remembered by them.
    by_routing_key: ClassVar[bool] = True
    #: `route` draws one of the `candidates`, so that only chance knows which.
    by_chance: ClassVar[bool] = False
    #: It may hold a message back: then it routes by no binding, and asks no alternate.
    delays: ClassVar[bool] = False

    name: str
    durable: bool = True
    auto_delete: bool = False
    internal: bool = False
    arguments: Mapping[str, FieldValue] = field(factory=dict)
    #: The alternate exchange (S37): from the argument, or set later from a policy.
    alternate: str | None = field(init=False)
    #: What was published to it before, where its arguments have duplicates dropped.
    identifiers: Identifiers | None = field(default=None, init=False, repr=False)
    #: Bindings to other exchanges; where there are none, a walk ends here.
    leads_on: int = field(default=0, init=False, repr=False)
    # binding -> None: a set that keeps the order of binding
    _bindings: dict[Binding, None] = field(factory=dict, init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        alternate = self.arguments.get("alternate-exchange")
        self.alternate = alternate if isinstance(alternate, str) else None
        deduplication = self._deduplication()
        if deduplication is not None:
            self.identifiers = Identifiers(deduplication)

    def _deduplication(self) -> DeduplicationSettings | None:
        """Return what the arguments ask for about duplicates."""
        return DeduplicationSettings.of(self.arguments)

    @property
    def routes_as(self) -> str:
        """The type whose rules decide about bindings; another one's where it stands for it."""
        return self.type

    def held_ms(self, envelope: Envelope) -> int:
        """Return for how many milliseconds it holds a message back; asked where it `delays`."""
        return 0

    @property
    def bindings(self) -> Collection[Binding]:
        """The bindings whose source this exchange is, in the order in which they were bound."""
        return self._bindings.keys()

    def validate_arguments(self, virtual_host: str = "/") -> None:
        """Refuse arguments that RabbitMQ refuses at exchange.declare.

        Raises:
            PreconditionFailed: with RabbitMQ's text.

        """
        alternate = self.arguments.get("alternate-exchange", "")
        if not isinstance(alternate, str):
            raise PreconditionFailed(
                f"invalid type '{erlang_type(alternate)}' for arg 'alternate-exchange'"
                f" in exchange '{self.name}' in vhost '{virtual_host}'"
            )
        self._validate_deduplication(virtual_host)

    def _validate_deduplication(self, virtual_host: str) -> None:
        check_deduplication(self.arguments, f"exchange '{self.name}' in vhost '{virtual_host}'")

    def validate_binding(self, binding: Binding, limits: BindingLimits) -> None:
        """Refuse a new binding that RabbitMQ refuses; never asked when one is removed (S49).

        Raises:
            PreconditionFailed: with RabbitMQ's text.

        """

    def bind(self, binding: Binding) -> bool:
        """Add a binding; return False if it was there already (S32)."""
        if binding in self._bindings:
            return False
        self._bindings[binding] = None
        self.leads_on += binding.destination_type == "exchange"
        self._compile(binding)
        return True

    def unbind(self, binding: Binding) -> bool:
        """Take a binding away; return False if there was none (S28)."""
        if binding not in self._bindings:
            return False
        del self._bindings[binding]
        self.leads_on -= binding.destination_type == "exchange"
        self._discard(binding)
        return True

    def _compile(self, binding: Binding) -> None:
        """Prepare a binding, just added, for routing."""

    def _discard(self, binding: Binding) -> None:
        """Undo `_compile` for a binding just taken away."""

    def route(self, envelope: Envelope) -> Collection[Binding]:
        """Return the bindings that take this message; one may come twice, by two routing keys."""
        raise NotImplementedError

    def candidates(self, envelope: Envelope) -> Collection[Binding]:
        """Return the bindings that might take this message, without asking for chance."""
        return self.route(envelope)

    def explain(self, binding: Binding, envelope: Envelope) -> Verdict:
        """Say why `candidates` has this binding, or what it lacks."""
        raise NotImplementedError

    def distance(self, binding: Binding, envelope: Envelope) -> float:
        """Say how far the message is from taking this binding: 0 takes it, small is a near miss."""
        return 0.0 if self.explain(binding, envelope).matched else 1.0

    def label(self, binding: Binding) -> str:
        """Show what the binding asks for, in a few words; empty where it asks for nothing."""
        return repr(binding.routing_key)

    def note(self, envelope: Envelope) -> str:
        """Say what was decided for the exchange as a whole, if anything was; else nothing."""
        return ""

    def check(self) -> None:
        """Assert that what was compiled agrees with the bindings."""
        assert all(binding.source == self.name for binding in self._bindings)
        types = [binding.destination_type for binding in self._bindings]
        assert self.leads_on == types.count("exchange")
