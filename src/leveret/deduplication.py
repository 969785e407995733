"""Telling a message that came before from a new one, by an identifier in one of its headers.

An exchange or a queue asks for it by arguments. They are LavinMQ's, and those of the RabbitMQ
plugin `rabbitmq-message-deduplication` beside them:

- `x-message-deduplication` (boolean) switches it on;
- `x-deduplication-header` names the header that identifies a message, `x-deduplication-header`
  where it is not given; a message without it is never a duplicate;
- `x-cache-size`: how many identifiers are remembered at most, 128 where it is not given; the oldest
  goes first;
- `x-cache-ttl`: for how many milliseconds one is remembered; the header `x-cache-ttl` of a message
  goes before it;
- `x-cache-persistence` (`disk` or `memory`): whether what is remembered survives a restart, where
  the object and the message do. LavinMQ forgets at a restart, the plugin too unless told
  otherwise; here `disk` is what durable objects do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, cast

from attrs import define, field, frozen
from sortedcontainers import SortedDict, SortedList

from leveret.errors import PreconditionFailed
from leveret.routing.erlang import erlang_type
from leveret.routing.values import value_form

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from leveret.properties import FieldTable, FieldValue, Properties
    from leveret.routing.values import Form

__all__ = [
    "DEDUPLICATION_CHECKS",
    "DEFAULT_CACHE_SIZE",
    "DEFAULT_HEADER",
    "DeduplicationSettings",
    "Identifiers",
    "check_deduplication",
]

DEFAULT_HEADER = "x-deduplication-header"
#: LavinMQ's.
DEFAULT_CACHE_SIZE = 128


def _boolean(value: FieldValue, _: FieldTable) -> str | None:
    return None if isinstance(value, bool) else f"{{unacceptable_type,{erlang_type(value)}}}"


def _string(value: FieldValue, _: FieldTable) -> str | None:
    return None if isinstance(value, str) else f"{{unacceptable_type,{erlang_type(value)}}}"


def _non_negative(value: FieldValue, _: FieldTable) -> str | None:
    if not isinstance(value, int) or isinstance(value, bool):
        return f'"expected integer, got {erlang_type(value)}"'
    return f"{{value_negative,{value}}}" if value < 0 else None


def _positive(value: FieldValue, arguments: FieldTable) -> str | None:
    return _non_negative(value, arguments) or ("{value_zero,0}" if value == 0 else None)


def _persistence(value: FieldValue, _: FieldTable) -> str | None:
    return None if value in ("disk", "memory") else "invalid_cache_persistence"


#: Argument -> what says why a value is refused, in the form of RabbitMQ's reasons, or None.
DEDUPLICATION_CHECKS: dict[str, Callable[[FieldValue, FieldTable], str | None]] = {
    "x-message-deduplication": _boolean,
    "x-deduplication-header": _string,
    "x-cache-size": _positive,
    "x-cache-ttl": _non_negative,
    "x-cache-persistence": _persistence,
}


def check_deduplication(arguments: FieldTable, resource: str) -> None:
    """Check the arguments above; `resource` is the name of what has them, as texts print it.

    Raises:
        PreconditionFailed: one has a value or type that is refused.

    """
    for name, check in DEDUPLICATION_CHECKS.items():
        if name in arguments and (error := check(arguments[name], arguments)):
            raise PreconditionFailed(f"invalid arg '{name}' for {resource}: {error}")


@frozen
class DeduplicationSettings:
    """What the arguments ask for; `cache_ttl_ms` is None for ever."""

    header: str = DEFAULT_HEADER
    #: None where neither size nor time was asked for.
    cache_size: int | None = None
    cache_ttl_ms: int | None = None
    persistent: bool = True

    @classmethod
    def of(cls, arguments: FieldTable) -> DeduplicationSettings | None:
        """Return what arguments ask for, of which those of the wrong type do not count."""
        if arguments.get("x-message-deduplication") is not True:
            return None
        header = arguments.get("x-deduplication-header")
        return cls(
            header if isinstance(header, str) else DEFAULT_HEADER,
            _count(arguments.get("x-cache-size")),
            _count(arguments.get("x-cache-ttl")),
            arguments.get("x-cache-persistence") != "memory",
        )

    @property
    def has_cache(self) -> bool:
        """Whether a size or a time was asked for."""
        return self.cache_size is not None or self.cache_ttl_ms is not None

    def identifier(self, properties: Properties | None) -> FieldValue:
        """Return what identifies a message with these properties; None where nothing does."""
        headers = properties.headers if properties is not None else None
        return None if headers is None else headers.get(self.header)

    def explain(self, properties: Properties | None) -> str:
        """Say in a few words what is done with a message of these properties."""
        identifier = self.identifier(properties)
        if identifier is None:
            return f"drops duplicates by header {self.header!r}, which this message lacks"
        return f"drops duplicates by header {self.header!r}: once for {identifier!r}"


def _count(value: FieldValue) -> int | None:
    fits = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    return value if fits and isinstance(value, int) else None


class _NotesSlot(Protocol):
    def __call__(self, slot: int, value: Mapping[str, FieldValue] | None, /) -> object: ...


@define
class _Seen:
    number: int
    slot: int
    expires_at_ms: int | None


@define(eq=False)
class Identifiers:
    """The identifiers of messages that came before: so many at most, each for its time.

    To ask is O(1), to add O(log n). Each stands in one of `size` slots, by which `note` has a
    journal keep it: a newcomer overwrites who went before.
    """

    settings: DeduplicationSettings
    #: Called with a slot and what stands there now: `id`, `number`, and `expires_at` (ms) or none.
    note: _NotesSlot | None = field(default=None, init=False)
    #: How many messages were told to be duplicates.
    duplicates: int = field(default=0, init=False)
    # identifier -> what is known of it
    _seen: dict[Form, _Seen] = field(factory=dict, init=False)
    # number -> identifier; numbers are given in the order of coming
    _by_number: SortedDict[int, Form] = field(
        factory=cast("Callable[[], SortedDict[int, Form]]", SortedDict), init=False
    )
    # (when it is forgotten, its number)
    _by_expiry: SortedList[tuple[int, int]] = field(factory=SortedList, init=False)
    _free_slots: list[int] = field(factory=list, init=False)
    # Slots from here on were never used.
    _behind_slots: int = field(default=0, init=False)
    _next_number: int = field(default=0, init=False)

    def __len__(self) -> int:
        return len(self._seen)

    @property
    def size(self) -> int:
        """How many there may be."""
        return self.settings.cache_size or DEFAULT_CACHE_SIZE

    def has(self, identifier: FieldValue, now_ms: int) -> bool:
        """Say whether a message with that identifier came before."""
        seen = self._seen.get(value_form(identifier))
        if seen is None:
            return False
        return seen.expires_at_ms is None or seen.expires_at_ms > now_ms

    def add(
        self, identifier: FieldValue, properties: Properties, now_ms: int, *, durable: bool
    ) -> None:
        """Remember the identifier of a message that was taken; `durable`, beyond a restart."""
        while self._by_expiry and self._by_expiry[0][0] <= now_ms:
            self._forget(self._by_number[self._by_expiry[0][1]])
        if len(self._seen) >= self.size:
            self._forget(self._by_number.peekitem(0)[1])
        ttl_ms = self._ttl_ms(properties)
        expires_at_ms = None if ttl_ms is None else now_ms + ttl_ms
        if expires_at_ms is not None and expires_at_ms <= now_ms:
            return
        slot = self._take_slot()
        number = self._next_number
        self._insert(value_form(identifier), _Seen(number, slot, expires_at_ms))
        if durable and self.note is not None:
            self.note(slot, _slot_value(identifier, number, expires_at_ms))

    def _ttl_ms(self, properties: Properties) -> int | None:
        own = _count((properties.headers or {}).get("x-cache-ttl"))
        return self.settings.cache_ttl_ms if own is None else own

    def _insert(self, form: Form, seen: _Seen) -> None:
        self._seen[form] = seen
        self._by_number[seen.number] = form
        if seen.expires_at_ms is not None:
            self._by_expiry.add((seen.expires_at_ms, seen.number))
        self._next_number = max(self._next_number, seen.number + 1)
        self._behind_slots = max(self._behind_slots, seen.slot + 1)

    def _forget(self, form: Form) -> None:
        seen = self._seen.pop(form)
        del self._by_number[seen.number]
        if seen.expires_at_ms is not None:
            self._by_expiry.remove((seen.expires_at_ms, seen.number))
        self._free_slots.append(seen.slot)

    def _take_slot(self) -> int:
        if self._free_slots:
            return self._free_slots.pop()
        if self._behind_slots < self.size:
            return self._behind_slots
        used = {seen.slot for seen in self._seen.values()}  # after a restart that found gaps
        self._free_slots = [slot for slot in range(self.size) if slot not in used]
        return self._free_slots.pop()

    def restore(self, slot: int, value: Mapping[str, Any]) -> None:
        """Take in what a journal kept of a slot."""
        form = value_form(value["id"])
        if (double := self._seen.get(form)) is not None:
            if double.number > value["number"]:
                return
            self._forget(form)
        self._insert(form, _Seen(value["number"], slot, value.get("expires_at")))

    def drop(self) -> None:
        """Have the journal forget all of it: who asked for it is gone."""
        if self.note is not None:
            for slot in range(self._behind_slots):
                self.note(slot, None)

    def check(self) -> None:
        """Assert the invariants: the orders agree, no slot is used twice, none too many."""
        assert len(self._seen) == len(self._by_number) <= self.size
        assert all(self._by_number[seen.number] == form for form, seen in self._seen.items())
        timed = {(s.expires_at_ms, s.number) for s in self._seen.values() if s.expires_at_ms}
        assert timed == set(self._by_expiry)
        slots = [seen.slot for seen in self._seen.values()]
        assert len(set(slots)) == len(slots)
        assert not set(slots) & set(self._free_slots)
        assert all(slot < self._behind_slots <= self.size for slot in slots)


def _slot_value(
    identifier: FieldValue, number: int, expires_at_ms: int | None
) -> dict[str, FieldValue]:
    value: dict[str, FieldValue] = {"id": identifier, "number": number}
    if expires_at_ms is not None:
        value["expires_at"] = expires_at_ms
    return value
