"""Draws where messages come from, and the words for keys, examples and deaths."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leveret.config.explain_parts import DeadLetters, Death, Example, Source
from leveret.config.quantities import format_duration, format_size
from leveret.exchanges.base import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from leveret.exchanges.tree import Branch
    from leveret.routing import KeySet

__all__ = [
    "MOST_DRAWN",
    "deaths_text",
    "example_text",
    "exchange_name",
    "hang_sources",
    "keys_text",
    "labels_text",
    "limit_text",
    "times_text",
]

#: Branches drawn below one; the others are counted. JSON has them all.
MOST_DRAWN = 20
#: Keys or bindings named on one line.
_MOST_NAMED = 4


def hang_sources(branch: Branch, sources: Sequence[Source | DeadLetters], more: int) -> None:
    """Draw where messages come from below a branch; a stack, since chains may be long."""
    work = [(branch, sources, more, "")]
    while work:
        at, found, uncounted, told = work.pop()
        for source in found[:MOST_DRAWN]:
            such_as = ""
            if isinstance(source, Source):
                such_as = _such_as(source)
                below = at.hang(_source(source) + (such_as if such_as != told else ""))
            else:
                below = at.hang(_dead_letters(source))
            work.append((below, source.sources, source.more, such_as))
        if hidden := len(found) - len(found[:MOST_DRAWN]) + uncounted:
            at.hang(f"… and {hidden:,} more")


def exchange_name(name: str, kind: str, *, internal: bool = False) -> str:
    """Return an exchange's name with its type."""
    if not name:
        return "the default exchange"
    return f"exchange {name!r} ({kind}{', internal' if internal else ''})"


def _source(source: Source) -> str:
    name = exchange_name(source.exchange, source.type, internal=source.internal)
    if not source.exchange:
        return f"✔ {name}, {_key_word(source.keys)}"
    if source.as_alternate:
        text = f"{name}, as its alternate: what no binding takes"
        mark = "↪"
    else:
        labels = labels_text(source.labels)
        text = f"{name} by {labels}" if labels else name
        mark = "?" if source.chance else "✔"
        if source.chance == "hash":
            text += ": its share of the messages"
        elif source.chance == "random":
            text += ": by chance"
        elif not labels and source.keys.is_everything:
            text += ": every message"
    if source.closed:
        return f"✘ {text}, of which nothing gets further"
    if source.narrowed and not source.keys.taken and not source.keys.is_everything:
        text += f": of these {keys_text(source.keys)}" if labels else f": {keys_text(source.keys)}"
    return f"{mark} {text}"


def _key_word(keys: KeySet) -> str:
    return f"key {keys_text(keys)}"


def _such_as(source: Source) -> str:
    """Return a message that gets through, where the line does not say as much."""
    example, keys = source.example, source.keys
    if example is None or source.chance or not source.exchange:
        return ""
    with_key = not keys.is_everything and (bool(keys.patterns) or bool(keys.taken))
    if not with_key and (not example.headers or _says_all(source, example)):
        return ""
    return f", such as {example_text(example, with_key=with_key)}"


def _says_all(source: Source, example: Example) -> bool:
    """Say whether the only binding asks for just the headers of the example."""
    return [
        {name: value for name, value in binding.arguments.items() if not name.startswith("x-")}
        for binding in source.bindings
    ] == [example.headers]


def example_text(example: Example, *, with_key: bool = True) -> str:
    """Return what a message of an example is like: its key, its headers."""
    headers = ", ".join(f"{printable(name)}={value!r}" for name, value in example.headers.items())
    if not headers:
        return repr(example.routing_key) if with_key else ""
    return f"{example.routing_key!r} with {headers}" if with_key else headers


def _dead_letters(dead: DeadLetters) -> str:
    key = "their own keys" if dead.routing_key is None else f"key {dead.routing_key!r}"
    way = "" if dead.exchange else " by the default exchange"
    text = f"↪ dead letters of queue {dead.queue!r}{way} with {key}: {deaths_text(dead.deaths)}"
    return f"{text}: a circle" if dead.again else text


def deaths_text(deaths: Iterable[Death], waited_ms: tuple[int, ...] = ()) -> str:
    """Return what messages die of, `waited_ms` after which they came to the queue."""
    return _or([_death(death, waited_ms) for death in deaths])


def _death(death: Death, waited_ms: tuple[int, ...]) -> str:
    if death.after_ms is not None:
        if not death.after_ms:
            return "expired at once (unless a consumer waits)"
        own = format_duration(death.after_ms)
        times = times_text((*waited_ms, death.after_ms))
        return f"expired after {own}" if times == own else f"expired {own} later (after {times})"
    if death.deliveries is not None:
        return f"returned more than {death.deliveries:,} times"
    if death.reason == "rejected":
        return "rejected"
    limit = limit_text(death.max_length, death.max_length_bytes)
    return f"new over {limit}" if death.newest else f"over {limit}"


def limit_text(length: int | None, length_bytes: int | None) -> str:
    """Return a queue's limits in words."""
    parts = [] if length is None else [f"{length:,} message{'' if length == 1 else 's'}"]
    parts += [] if length_bytes is None else [format_size(length_bytes)]
    return " or ".join(parts)


def times_text(times_ms: tuple[int, ...]) -> str:
    """Return the times in one queue after the other: "1h + 5m"; "" for no time at all.

    >>> times_text((3_600_000, 0, 300_000)), times_text((1000, 1000, 1000, 1000))
    ('1h + 5m', '4s')
    """
    times = [time_ms for time_ms in times_ms if time_ms]
    if len(times) > 3:
        times = [sum(times)]
    return " + ".join(map(format_duration, times))


def keys_text(keys: KeySet) -> str:
    """Return the keys of a set, patterns first."""
    return _or_more([repr(str(pattern)) for pattern in keys.patterns] + [*map(repr, keys.keys)])


def labels_text(labels: Sequence[str]) -> str:
    """Return what bindings ask for; "" where they ask for nothing."""
    return _or_more([label for label in labels if label])


def _or_more(words: list[str]) -> str:
    if len(words) > _MOST_NAMED:
        hidden = len(words) - _MOST_NAMED + 1
        return f"{', '.join(words[: _MOST_NAMED - 1])} or {hidden:,} more"
    return _or(words)


def _or(words: list[str]) -> str:
    if len(words) < 3:
        return " or ".join(words)
    return f"{', '.join(words[:-1])} or {words[-1]}"
