"""Hypothesis strategies: routing keys, patterns, headers, messages, whole topologies.

Those made for a pattern or a binding come in pairs: what matches it, and what only just misses it.
Needs the package `hypothesis`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from leveret.config import BindingDeclaration, ExchangeDeclaration, QueueDeclaration, Topology
from leveret.config import VirtualHost as HostDeclaration
from leveret.properties import Properties
from leveret.queues import Message
from leveret.routing import HeadersMatch, TopicPattern

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hypothesis.strategies import DrawFn, SearchStrategy

    from leveret.properties import FieldTable, FieldValue

__all__ = [
    "headers",
    "headers_for",
    "matching_keys",
    "messages",
    "near_miss_headers",
    "near_misses",
    "patterns",
    "routing_keys",
    "topologies",
    "words",
]

#: Few and short, so that words meet: chance alone would hardly ever make two alike.
_WORDS = ("a", "b", "order", "paid", "eu", "")
_HEADER_NAMES = ("format", "size", "type", "x-tenant")
_LONGEST_KEY = 255


def words() -> SearchStrategy[str]:
    """Words of a routing key: a few that come again and again, the empty one, and any others."""
    letters = st.characters(blacklist_characters=".*#", blacklist_categories=("Cs", "Cc"))
    return st.sampled_from(_WORDS) | st.text(letters, min_size=1, max_size=8)


def _joined(parts: Sequence[str]) -> str:
    return ".".join(parts)


def _fits(key: str) -> bool:
    return len(key.encode()) <= _LONGEST_KEY


def routing_keys(max_words: int = 6) -> SearchStrategy[str]:
    """Routing keys of up to so many words, the empty key among them."""
    return st.lists(words(), max_size=max_words).map(_joined).filter(_fits)


def patterns(max_words: int = 5, max_hashes: int = 2) -> SearchStrategy[str]:
    """Binding keys of topic exchanges; `#` comes at most so often (4.3 takes no more than two)."""
    part = st.sampled_from(("*", "#")) | words()
    few = st.lists(part, max_size=max_words).filter(lambda parts: parts.count("#") <= max_hashes)
    return few.map(_joined).filter(_fits)


@st.composite
def matching_keys(draw: DrawFn, pattern: str) -> str:
    """Routing keys that a binding key matches."""
    parts: list[str] = []
    for word in TopicPattern.parse(pattern).words:
        if word == "#":
            parts += draw(st.lists(words(), max_size=3))
        else:
            parts.append(draw(words()) if word == "*" else word)
    key = _joined(parts)
    # No words and one empty word are written alike, so that what `*` took may be no word at all.
    return key if TopicPattern.parse(pattern).matches(key) and _fits(key) else _example(pattern)


def _example(pattern: str) -> str:
    return TopicPattern.parse(pattern).example()


@st.composite
def near_misses(draw: DrawFn, pattern: str) -> str:
    """Routing keys that a binding key misses by one word: another one, one less, one more.

    Raises:
        ValueError: the binding key matches every key.

    """
    parsed = TopicPattern.parse(pattern)
    if parsed.covers(TopicPattern.parse("#")):
        raise ValueError(f"{pattern!r} matches every key")
    parts = draw(matching_keys(pattern)).split(".")
    at = draw(st.integers(0, len(parts)))
    changes = [
        [*parts[:at], draw(words()), *parts[at:]],
        [*parts[:at], *parts[at + 1 :]],
        [*parts[:at], draw(words()) + "x", *parts[at + 1 :]],
        [*(part + "x" for part in parts)],
        ["x", *parts, "x"],
    ]
    missed = [key for key in map(_joined, changes) if _fits(key) and not parsed.matches(key)]
    if not missed:
        missed = [key for key in ("", "x", "x.x") if not parsed.matches(key)]
    return draw(st.sampled_from(missed or [_missed_by_length(parsed)]))


def _missed_by_length(pattern: TopicPattern) -> str:
    """Return a key with another number of words than the pattern takes."""
    return next(key for size in range(2, 130) if not pattern.matches(key := _joined(["x"] * size)))


def _header_values() -> SearchStrategy[FieldValue]:
    common: SearchStrategy[FieldValue] = st.sampled_from(["png", "gif", "", 1, 2, True])
    return common | st.text(max_size=5) | st.integers(0, 99)


def headers() -> SearchStrategy[dict[str, FieldValue]]:
    """Tables of headers with a few names that come again and again."""
    return st.dictionaries(st.sampled_from(_HEADER_NAMES), _header_values(), max_size=4)


def _criteria(arguments: FieldTable) -> dict[str, FieldValue]:
    """Return the arguments of a binding that a message's headers are compared with (S51)."""
    mode = arguments.get("x-match", "all")
    with_x = isinstance(mode, str) and mode.endswith("-with-x")
    return {
        name: value
        for name, value in arguments.items()
        if name != "x-match" and (with_x or not name.startswith("x-"))
    }


def _is_any(arguments: FieldTable) -> bool:
    return str(arguments.get("x-match", "all")).startswith("any")


@st.composite
def headers_for(draw: DrawFn, arguments: FieldTable) -> dict[str, Any]:
    """Headers that a binding with these arguments matches, with others beside them.

    Raises:
        ValueError: it matches nothing.

    """
    match, wanted = HeadersMatch.compile(arguments), _criteria(arguments)
    names = list(wanted)
    if _is_any(arguments):
        if not names:
            raise ValueError("a binding with x-match=any and no other argument matches nothing")
        names = draw(st.lists(st.sampled_from(names), min_size=1, unique=True))
    found = {name: wanted[name] for name in names}
    for name, value in found.items():
        if value is None:
            found[name] = draw(_header_values())
    extra = {name: value for name, value in draw(headers()).items() if name not in wanted}
    assert match.matches(extra | found)
    return extra | found


@st.composite
def near_miss_headers(draw: DrawFn, arguments: FieldTable) -> dict[str, Any]:
    """Headers that a binding with these arguments misses by one: one absent, or another value.

    Raises:
        ValueError: it matches everything.

    """
    wanted = _criteria(arguments)
    if not wanted and not _is_any(arguments):
        raise ValueError("a binding that asks for nothing matches every message")
    if not wanted:
        return draw(headers())
    found = draw(headers_for(arguments))
    changed = list(wanted) if _is_any(arguments) else [draw(st.sampled_from(list(wanted)))]
    for name in changed:
        if wanted[name] is not None and draw(st.booleans()):
            found[name] = f"not {wanted[name]!r}"
        else:
            found.pop(name, None)
    return found


@st.composite
def messages(
    draw: DrawFn,
    exchange: str | SearchStrategy[str] = "",
    keys: SearchStrategy[str] | None = None,
    bodies: SearchStrategy[bytes] | None = None,
) -> Message:
    """Messages, to be published by `Channel.publish`; some persistent, with priority, or TTL."""
    properties = Properties(
        headers=draw(st.none() | headers()),
        delivery_mode=draw(st.sampled_from([None, 1, 2])),
        priority=draw(st.none() | st.integers(0, 9)),
        expiration=draw(st.none() | st.integers(0, 10_000).map(str)),
        message_id=draw(st.none() | st.uuids().map(str)),
    )
    return Message(
        exchange if isinstance(exchange, str) else draw(exchange),
        draw(keys if keys is not None else routing_keys()),
        properties,
        draw(bodies if bodies is not None else st.binary(max_size=20)),
    )


_TYPES = ("direct", "fanout", "topic", "headers")
_QUEUE_ARGUMENTS: Mapping[str, SearchStrategy[Any]] = {
    "x-message-ttl": st.integers(0, 60_000),
    "x-max-length": st.integers(1, 20),
    "x-max-priority": st.integers(1, 10),
    "x-overflow": st.sampled_from(["drop-head", "reject-publish"]),
}


@st.composite
def topologies(draw: DrawFn, max_exchanges: int = 4, max_queues: int = 4) -> Topology:
    """Topologies that a broker takes, of one virtual host: exchanges, queues, bindings.

    Cycles of exchanges, alternate exchanges and dead-letter exchanges are among them.
    """
    exchange_names = [f"exchange-{n}" for n in range(draw(st.integers(0, max_exchanges)))]
    queue_names = [f"queue-{n}" for n in range(draw(st.integers(1, max_queues)))]
    exchanges = {name: draw(_exchange(name, exchange_names)) for name in exchange_names}
    queues = {name: draw(_queue(name, [*exchange_names, ""])) for name in queue_names}
    ends = [("queue", name) for name in queue_names] + [("exchange", n) for n in exchange_names]
    bindings: list[BindingDeclaration] = []
    if exchanges:
        pairs = st.tuples(st.sampled_from([*exchanges.values()]), st.sampled_from(ends))
        for exchange, end in draw(st.lists(pairs, max_size=8)):
            bindings.append(draw(_binding(exchange, *end)))
    host = HostDeclaration("/", exchanges, queues, bindings)
    return Topology("drawn.yaml", virtual_hosts={"/": host})


@st.composite
def _exchange(draw: DrawFn, name: str, names: Sequence[str]) -> ExchangeDeclaration:
    alternate = draw(st.none() | st.sampled_from(names))
    arguments: dict[str, FieldValue] = {"alternate-exchange": alternate} if alternate else {}
    return ExchangeDeclaration(name, draw(st.sampled_from(_TYPES)), arguments=arguments)


@st.composite
def _queue(draw: DrawFn, name: str, names: Sequence[str]) -> QueueDeclaration:
    chosen = draw(st.lists(st.sampled_from(list(_QUEUE_ARGUMENTS)), unique=True, max_size=2))
    arguments: dict[str, FieldValue] = {key: draw(_QUEUE_ARGUMENTS[key]) for key in chosen}
    if draw(st.booleans()):
        arguments["x-dead-letter-exchange"] = draw(st.sampled_from(names))
    return QueueDeclaration(name, arguments=arguments)


@st.composite
def _binding(
    draw: DrawFn, exchange: ExchangeDeclaration, kind: Any, destination: str
) -> BindingDeclaration:
    key = ""
    arguments: dict[str, FieldValue] = {}
    if exchange.type == "headers":
        arguments = draw(headers())
        arguments["x-match"] = draw(st.sampled_from(["all", "any"]))
    elif exchange.type == "topic":
        key = draw(patterns())
    elif exchange.type == "direct":
        key = draw(routing_keys(2))
    return BindingDeclaration(exchange.name, destination, kind, key, arguments)
