"""Dead letters counted by what they have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define, field, frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from leveret.dead_letters.letter import DeadLetter

__all__ = ["GROUP_KEYS", "DeadLetterGroup", "Grouping", "grouped"]

#: What letters can be grouped by -> how it is read from one.
GROUP_KEYS: dict[str, Callable[[DeadLetter], str | None]] = {
    "reason": lambda letter: letter.reason,
    "queue": lambda letter: letter.queue,
    "first-queue": lambda letter: letter.first_queue,
    "exchange": lambda letter: letter.exchange,
    "routing-key": lambda letter: letter.routing_key,
    "error": lambda letter: letter.error,
}

#: What they are grouped by where nothing else is said.
DEFAULT_KEYS = ("reason", "queue", "exchange", "routing-key", "error")


@frozen
class DeadLetterGroup:
    """Dead letters alike: how many, and when the first and the last of them died.

    `values` has what they have in common, by the names of `GROUP_KEYS`. Times are in milliseconds
    since the Unix epoch; None where none of them tells.
    """

    values: dict[str, str | None]
    count: int
    body_bytes: int
    oldest_ms: int | None
    newest_ms: int | None


@define
class _Count:
    count: int = 0
    body_bytes: int = 0
    oldest_ms: int | None = None
    newest_ms: int | None = None

    def add(self, letter: DeadLetter) -> None:
        self.count += 1
        self.body_bytes += len(letter.body)
        died_at_ms = letter.died_at_ms
        if died_at_ms is not None:
            self.oldest_ms = min(died_at_ms, self.oldest_ms or died_at_ms)
            self.newest_ms = max(died_at_ms, self.newest_ms or died_at_ms)


@define(eq=False)
class Grouping:
    """Counts letters as they come by, keeping none of them.

    Raises:
        ValueError: `by` names something that letters cannot be grouped by.

    """

    by: tuple[str, ...] = DEFAULT_KEYS
    # values in the order of `by` -> what was counted
    _counts: dict[tuple[str | None, ...], _Count] = field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        for name in self.by:
            if name not in GROUP_KEYS:
                known = ", ".join(GROUP_KEYS)
                raise ValueError(f"letters cannot be grouped by {name!r}; it takes {known}")

    def add(self, letter: DeadLetter) -> None:
        """Count a letter."""
        values = tuple(GROUP_KEYS[name](letter) for name in self.by)
        self._counts.setdefault(values, _Count()).add(letter)

    def groups(self) -> list[DeadLetterGroup]:
        """Return what was counted, most letters first."""
        groups = [
            DeadLetterGroup(
                dict(zip(self.by, values, strict=True)),
                found.count,
                found.body_bytes,
                found.oldest_ms,
                found.newest_ms,
            )
            for values, found in self._counts.items()
        ]
        return sorted(groups, key=lambda group: -group.count)


def grouped(
    letters: Iterable[DeadLetter], by: tuple[str, ...] = DEFAULT_KEYS
) -> list[DeadLetterGroup]:
    """Return letters counted by what they have in common, most first.

    Raises:
        ValueError: as `Grouping`.

    """
    grouping = Grouping(by)
    for letter in letters:
        grouping.add(letter)
    return grouping.groups()
