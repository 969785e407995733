"""Topic patterns: which routing keys a binding key matches, and how patterns relate (S40-S49)."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import TYPE_CHECKING, Final, cast

from attrs import field, frozen

from leveret.routing.automaton import Automaton, shortest_common_key
from leveret.routing.cover import covers
from leveret.routing.intersection import intersect
from leveret.routing.keys import MAX_KEY_BYTES, check_key, key_bytes, split_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["TopicPattern"]

#: How many parsed patterns are remembered: more than most topologies have, some 6 MB when full.
_REMEMBERED_PATTERNS: Final = 16_384


@frozen(order=False)
class TopicPattern:
    """A topic binding key, parsed: a sequence of words, each a literal, `*` or `#`.

    `*` stands for one word, `#` for any number of words, none too (S41-S45). Made by `parse`.

    >>> pattern = TopicPattern.parse("order.*.eu.#")
    >>> pattern.matches("order.paid.eu"), pattern.matches("order.eu")
    (True, False)
    >>> pattern.mismatch("order.paid.us")
    "word 3 is 'us', the pattern wants 'eu'"
    """

    _text: str
    words: tuple[str, ...] = field(eq=False)

    @staticmethod
    def parse(text: str) -> TopicPattern:
        """Parse a binding key; the same text gives the same pattern while it is remembered.

        Raises:
            PatternError: the text takes more than 255 bytes of UTF-8 (S48).

        """
        return _parse(text)

    @classmethod
    def of_words(cls, words: Iterable[str]) -> TopicPattern:
        """Make a pattern from the words of a parsed one, without parsing again."""
        words = tuple(words)
        return cls(".".join(words), words)

    def __str__(self) -> str:
        return self._text

    @property
    def hash_count(self) -> int:
        """How many words are `#`; RabbitMQ 4.3.5 refuses more than two (S49)."""
        return self.words.count("#")

    @property
    def is_literal(self) -> bool:
        """Whether the pattern has no wildcard, so that it matches its own text alone."""
        return "#" not in self.words and "*" not in self.words

    def matches(self, key: str) -> bool:
        """Say whether a routing key matches; wildcards in the key are plain text (S47).

        Costs at most words of the pattern times words of the key: only the latest `#` is ever
        returned to, since what an earlier one could take in, the latest can.
        """
        wanted, given = self.words, split_key(key)
        i = j = 0
        retry_i = retry_j = -1  # behind the latest `#`, and the first word it does not take in
        while j < len(given):
            word = wanted[i] if i < len(wanted) else None
            if word == "#":
                i += 1
                retry_i, retry_j = i, j
            elif word is not None and word in ("*", given[j]):
                i += 1
                j += 1
            elif retry_i >= 0:
                retry_j += 1
                i, j = retry_i, retry_j
            else:
                return False
        return all(word == "#" for word in wanted[i:])

    def covers(self, other: TopicPattern) -> bool:
        """Say whether this pattern matches every key that the other matches.

        >>> TopicPattern.parse("order.#").covers(TopicPattern.parse("order.*.eu"))
        True
        """
        return covers(self.words, other.words)

    def overlaps(self, other: TopicPattern) -> bool:
        """Say whether some key matches both patterns."""
        return self.common_example(other) is not None

    def intersection(self, other: TopicPattern) -> tuple[TopicPattern, ...] | None:
        """Return patterns that together match the keys that both match, none if there are none.

        None means that it would take too many patterns, or too long, to say.

        >>> order, paid = TopicPattern.parse("order.*.#"), TopicPattern.parse("#.paid")
        >>> [str(pattern) for pattern in order.intersection(paid)]
        ['order.#.paid']
        """
        found = intersect(self.words, other.words)
        return None if found is None else tuple(map(TopicPattern.of_words, found))

    def example(self) -> str:
        """Return a key that matches: each `*` becomes a word, each `#` vanishes if it can.

        >>> TopicPattern.parse("order.*.#").example()
        'order.x'
        """
        # The pattern itself with `x` for each `*` is a key or, for `#.`, one word short of it.
        return cast("str", self.common_example(self))

    def common_example(self, other: TopicPattern) -> str | None:
        """Return a short key that matches both patterns, `None` if there is none.

        >>> TopicPattern.parse("order.*.eu").common_example(TopicPattern.parse("#.paid.*"))
        'order.paid.eu'
        """
        # Empty words make the shortest keys, and are tried when readable ones make it too long.
        for filler in ("x", ""):
            key = shortest_common_key(self.words, other.words, filler)
            if key is None or key_bytes(key) <= MAX_KEY_BYTES:
                return key
        return None

    def mismatch(self, key: str) -> str:
        """Say in one short sentence why a key does not match; "" if it does.

        What is named is where the pattern's furthest reading of the key ends.
        """
        if self.matches(key):
            return ""
        given = split_key(key)
        i, j = Automaton.of(self.words).furthest(given)
        if i == len(self.words):
            return f"the key has words left over from word {j + 1}: {'.'.join(given[j:])!r}"
        if j < len(given):
            return f"word {j + 1} is {given[j]!r}, the pattern wants {self.words[i]!r}"
        rest = ".".join(self.words[i:])
        if not given:
            return f"the key is empty, the pattern wants more: {rest!r}"
        count = f"{len(given)} word{'s' if len(given) > 1 else ''}"
        return f"the key ends after {count}, the pattern wants more: {rest!r}"


@lru_cache(maxsize=_REMEMBERED_PATTERNS)
def _parse(text: str) -> TopicPattern:
    return TopicPattern(check_key(text), _parser()(text))


@cache
def _parser() -> Callable[[str], tuple[str, ...]]:
    # lark takes longer to import than all of leveret: whoever has no topic binding never waits.
    from importlib import resources

    import lark

    class Words(lark.Transformer[lark.Token, tuple[str, ...]]):
        def start(self, tokens: list[lark.Token]) -> tuple[str, ...]:
            words = tuple(token.removeprefix(".") for token in tokens)
            return ("", *words) if tokens and tokens[0].startswith(".") else words

    grammar = resources.files(__package__).joinpath("topic.lark").read_text("utf-8")
    parser = lark.Lark(grammar, parser="lalr", lexer="basic", transformer=Words())
    # A transformer inside the parser makes its result the tuple that `start` returns.
    return cast("Callable[[str], tuple[str, ...]]", parser.parse)
