"""The keys that two topic patterns both match, said as patterns again.

Both patterns are read word by word, as automata whose only loops are their `#`. So the ways through
both at once are finite in number, and each way is a pattern: where both loop, it has a `#`; where
one loops over a word of the other, it has that word.

    order.#  and  #.paid     order.#.paid
    a.#      and  #.a        a  and  a.#.a

Patterns that others cover are dropped on the way, which keeps them few. Where they are not, or the
patterns are long, the answer is left open.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from leveret.routing.cover import covers, covers_words

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["intersect", "simplify"]

Words: TypeAlias = tuple[str, ...]

#: Patterns of one answer, words of one pattern times those of the other, and the same of their `#`:
#: past these, it is nothing that anybody would want to read, and it takes long.
_MAX_PATTERNS: Final = 12
_MAX_PAIRS: Final = 300
_MAX_HASH_PAIRS: Final = 12


def intersect(one: Words, two: Words) -> list[Words] | None:
    """Return patterns that together match the keys that both match; None if that is too much.

    >>> intersect(("order", "*", "#"), ("#", "paid"))
    [('order', '#', 'paid')]
    >>> intersect(("a",), ("b",))
    []
    """
    if covers(one, two):
        return [two]
    if covers(two, one):
        return [one]
    one, two = _normal(one), _normal(two)
    if len(one) * len(two) > _MAX_PAIRS or one.count("#") * two.count("#") > _MAX_HASH_PAIRS:
        return None
    # word of the second pattern -> the ways from there and from the current word of the first
    behind: list[list[Words]] = []
    for i in range(len(one), -1, -1):
        here: list[list[Words]] = [[] for _ in range(len(two) + 1)]
        for j in range(len(two), -1, -1):
            ways = _ways(one[i : i + 1], two[j : j + 1], here, behind, j)
            if len(ways) > 1:
                ways = simplify(ways)
            if len(ways) > _MAX_PATTERNS:
                return None
            here[j] = ways
        behind = here
    return [words for words in behind[0] if words != ("",)]  # a lone empty word is no key (S40)


def _ways(
    first: Words, second: Words, here: list[list[Words]], behind: list[list[Words]], j: int
) -> list[Words]:
    """Return the ways that begin with a word of each pattern; an empty one is at its end."""
    if not first and not second:
        return [()]
    if first == second == ("#",):
        return [_before("#", words) for words in (*behind[j], *here[j + 1])]
    if first == ("#",):
        longer = [(*second, *words) for words in here[j + 1]] if second else []
        return [*behind[j], *longer]
    if second == ("#",):
        longer = [(*first, *words) for words in behind[j]] if first else []
        return [*here[j + 1], *longer]
    if not first or not second:
        return []
    if first == ("*",) or first == second:
        return [(*second, *words) for words in behind[j + 1]]
    return [(*first, *words) for words in behind[j + 1]] if second == ("*",) else []


def _before(word: str, words: Words) -> Words:
    return words if words[:1] == ("#",) else (word, *words)


def simplify(patterns: Iterable[Words]) -> list[Words]:
    """Return fewer patterns that match the same words, and so the same keys.

    >>> simplify([("a", "b"), ("a", "#", "*", "b"), ("a", "x", "b")])
    [('a', '#', 'b')]
    """
    found = _uncovered(map(_normal, patterns))
    while (merged := _merged(found)) is not None:
        found = _uncovered(merged)
    return found


def _uncovered(patterns: Iterable[Words]) -> list[Words]:
    found = list(dict.fromkeys(patterns))
    return [
        one
        for i, one in enumerate(found)
        if not any(
            i != j and covers_words(other, one) and (j < i or not covers_words(one, other))
            for j, other in enumerate(found)
        )
    ]


def _normal(words: Words) -> Words:
    """Put the `*` of each run of wildcards before its `#`, of which one is enough."""
    found: list[str] = []
    for word in words:
        if found and found[-1] == "#" and word in ("*", "#"):
            if word == "*":
                found.insert(len(found) - 1, "*")
            continue
        found.append(word)
    return tuple(found)


def _merged(patterns: list[Words]) -> list[Words] | None:
    """Make `u.#.v` of one pair `u.v` and `u.*.#.v`; None if there is no such pair."""
    known = set(patterns)
    for one in patterns:
        for i in range(len(one) + 1):
            more = _normal((*one[:i], "*", "#", *one[i:]))
            if more in known and more != one:
                rest = [words for words in patterns if words not in (one, more)]
                return [*rest, _normal((*one[:i], "#", *one[i:]))]
    return None
