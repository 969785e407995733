"""Which dead letters are meant: by why and where they died, by key, header, age and text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import Factory, field, frozen

from leveret.routing import TopicPattern

if TYPE_CHECKING:
    from leveret.dead_letters.letter import DeadLetter
    from leveret.properties import FieldTable, FieldValue

__all__ = ["PRESENT", "Selection"]


class _Present:
    """Stands for any value."""

    def __repr__(self) -> str:
        return "PRESENT"


#: As a header's value: the header is there, whatever it holds.
PRESENT: Any = _Present()


def _pattern(text: str | None) -> TopicPattern | None:
    return None if text is None else TopicPattern.parse(text)


@frozen
class Selection:
    """Dead letters that have all of what is said; what is None is not asked for.

    `reason` and `queue` are those of the last death. `exchange` and `routing_key` are the address
    before the first; the key is a topic pattern (`order.#`). `headers` are values that the headers
    of those names have. `older_than_ms` and `newer_than_ms` compare the time since the death, which
    a message that does not tell it passes neither of. `body` is looked for in the body, `error` in
    the last error, as text.

    >>> from leveret.dead_letters import DeadLetter
    >>> letter = DeadLetter.of("orders", "order.created", None, b"two tents")
    >>> Selection(routing_key="order.#", body="tents").matches(letter, now_ms=0)
    True

    Raises:
        ValueError: `routing_key` is longer than AMQP carries.

    """

    reason: str | None = None
    queue: str | None = None
    exchange: str | None = None
    routing_key: str | None = None
    headers: FieldTable = field(factory=dict)
    older_than_ms: int | None = None
    newer_than_ms: int | None = None
    body: str | bytes | None = None
    error: str | None = None
    message_id: str | None = None
    _pattern: TopicPattern | None = field(
        default=Factory(lambda self: _pattern(self.routing_key), takes_self=True),
        init=False,
        repr=False,
        eq=False,
    )
    _body: bytes | None = field(
        default=Factory(
            lambda self: self.body.encode() if isinstance(self.body, str) else self.body,
            takes_self=True,
        ),
        init=False,
        repr=False,
        eq=False,
    )

    def matches(self, letter: DeadLetter, now_ms: int) -> bool:
        """Say whether a dead letter is meant, at `now_ms`."""
        wanted = (
            (self.reason, letter.reason),
            (self.queue, letter.queue),
            (self.exchange, letter.exchange),
            (self.message_id, letter.message_id),
        )
        if any(want is not None and want != has for want, has in wanted):
            return False
        if self._pattern is not None and not self._pattern.matches(letter.routing_key):
            return False
        if self.error is not None and self.error not in (letter.error or ""):
            return False
        if self._body is not None and self._body not in letter.body:
            return False
        return self._has_headers(letter.headers) and self._has_age(letter.age_ms(now_ms))

    def _has_headers(self, headers: FieldTable) -> bool:
        return all(
            name in headers and (value is PRESENT or _same(headers[name], value))
            for name, value in self.headers.items()
        )

    def _has_age(self, age_ms: int | None) -> bool:
        if self.older_than_ms is None and self.newer_than_ms is None:
            return True
        if age_ms is None:
            return False
        if self.older_than_ms is not None and age_ms < self.older_than_ms:
            return False
        return self.newer_than_ms is None or age_ms < self.newer_than_ms


def _same(value: FieldValue, wanted: FieldValue) -> bool:
    """Compare as headers exchanges do: True is no 1 (S53)."""
    return value == wanted and isinstance(value, bool) is isinstance(wanted, bool)
