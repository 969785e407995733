"""Topic patterns as automata over words: how far one gets in a key, and what two share.

A pattern is read as a nondeterministic automaton. State `i` means that the first `i` words of the
pattern are used up; a literal and `*` lead on, `#` stays or is skipped:

    a.#.z     (0) --a--> (1) --any--> (1)  (1) --skip--> (2) --z--> (3)

What two patterns share is found in the product of their automata, in order of key length in
bytes: the answer holds for the keys that AMQP can carry, and the key that proves it is a shortest
one. Words are compared, never sampled: where two wildcards meet, one word stands for every other.
One word sequence is no key: a single empty word, since "" has no words (S40). So `#.` and `*`
share nothing.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, TypeAlias

from attrs import frozen

from leveret.routing.keys import key_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Automaton", "shortest_common_key"]

#: A pattern's words, `*` and `#` being wildcards.
Words: TypeAlias = "tuple[str, ...]"

#: How the words of a search so far stand to the one sequence that is no key.
_NO_WORD, _ONE_EMPTY_WORD, _A_KEY = range(3)

#: States of two patterns, and one of the three above.
_State: TypeAlias = tuple[int, int, int]

#: The words of a search so far: `None`, or those before and the last.
_Path: TypeAlias = "tuple[_Path, str] | None"


@frozen
class Automaton:
    """A pattern's automaton, its state sets kept as the bits of an integer."""

    stars: int  # the states before a `*`
    hashes: int  # the states before a `#`
    literals: dict[str, int]  # literal word -> the states before it

    @classmethod
    def of(cls, words: Words) -> Automaton:
        """Make the automaton of a pattern's words."""
        stars = hashes = 0
        literals: dict[str, int] = {}
        for i, word in enumerate(words):
            if word == "*":
                stars |= 1 << i
            elif word == "#":
                hashes |= 1 << i
            else:
                literals[word] = literals.get(word, 0) | 1 << i
        return cls(stars, hashes, literals)

    def start(self) -> int:
        """Return the states before any word is read."""
        return self.skip(1)

    def step(self, states: int, word: str) -> int:
        """Return the states reached from any of these by one word."""
        moved = (states & (self.stars | self.literals.get(word, 0))) << 1
        return self.skip(moved | states & self.hashes)

    def skip(self, states: int) -> int:
        """Add the states that skipping `#` leads to; drop those that can do no more than another.

        Whatever a state before a reached `#` accepts, the state at the `#` accepts too, since the
        `#` takes in any words that would have led there. That keeps state sets few.
        """
        while (more := states | (states & self.hashes) << 1) != states:
            states = more
        latest_hash = (states & self.hashes).bit_length()
        return states >> latest_hash - 1 << latest_hash - 1 if latest_hash else states

    def furthest(self, given: list[str]) -> tuple[int, int]:
        """Return the furthest state reached, and how many words were read when it last was.

        The end of the words counts only if the state is reached nowhere before it, since a word
        that did not lead on says more than words that were missing.
        """
        states = self.start()
        best = (states.bit_length() - 1, 0)
        for j, word in enumerate(given, start=1):
            states = self.step(states, word)
            top = states.bit_length() - 1
            if top > best[0] or (top == best[0] and j < len(given)):
                best = (top, j)
        return best


def _advance_key(stage: int, word: str) -> int:
    return _ONE_EMPTY_WORD if stage == _NO_WORD and not word else _A_KEY


def _word_cost(stage: int, word: str) -> int:
    return key_bytes(word) + (stage != _NO_WORD)


def shortest_common_key(one: Words, two: Words, filler: str) -> str | None:
    """Return the key with fewest bytes that both match; `filler` is what two wildcards read."""
    queue: list[tuple[int, int, _State, _Path]] = [(0, 0, (0, 0, _NO_WORD), None)]
    seen: set[_State] = set()
    pushed = 0
    while queue:
        cost, _, state, path = heapq.heappop(queue)
        if state in seen:
            continue
        seen.add(state)
        i, j, stage = state
        if i == len(one) and j == len(two) and stage != _ONE_EMPTY_WORD:
            return _join(path)
        for next_i, next_j, word in _common_moves(one, two, i, j, filler):
            pushed += 1
            if word is None:
                heapq.heappush(queue, (cost, pushed, (next_i, next_j, stage), path))
            else:
                after = (next_i, next_j, _advance_key(stage, word))
                heapq.heappush(queue, (cost + _word_cost(stage, word), pushed, after, (path, word)))
    return None


def _common_moves(
    one: Words, two: Words, i: int, j: int, filler: str
) -> Iterator[tuple[int, int, str | None]]:
    """Yield where a pair of states leads: two states and the word read, `None` for a skip."""
    first = one[i] if i < len(one) else None
    second = two[j] if j < len(two) else None
    if first == "#":
        yield i + 1, j, None
    if second == "#":
        yield i, j + 1, None
    if first is None or second is None:
        return
    next_i, next_j = i + (first != "#"), j + (second != "#")
    if first in ("*", "#"):
        yield next_i, next_j, filler if second in ("*", "#") else second
    elif second in ("*", "#", first):
        yield next_i, next_j, first


def _join(path: _Path) -> str:
    words: list[str] = []
    while path is not None:
        path, word = path
        words.append(word)
    return ".".join(reversed(words))
