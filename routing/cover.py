"""Whether one topic pattern matches everything that another does.

Cut the covering pattern at its `#` words. What is left is a first block that must stand at the
beginning of a key, a last one that must stand at its end, and blocks between them that must come
in order. `*` next to a `#` only asks for one more word somewhere in the gap, so it counts as
that; each block between two gaps then begins and ends with a literal:

    order.*.#.eu.*.paid.#     [order]  at least one word  [eu.*.paid]  any words  []

Now look for the blocks in the other pattern, each as early as it can be, where an item of a block
may stand on a word or a `*` of the other but never on its `#`, and where a `#` adds nothing to the
length of a gap. If they are found, every key of the other matches: longer runs of words only
lengthen gaps. If one is not, some key does not match. Let each `#` of the other before the place
where the search failed stand for a long run of words that no pattern names, except that those
before a place too near to the one before be none: then no block is found earlier than here, since
across a long run none can reach with literals at both ends. After that place let each `#` be
nothing, which leaves too few words, or again a long run, which leaves no place for the block.

This takes words times words; a determinised product of automata can take exponentially many
states. The tests compare it with exactly that, and with enumeration.
"""

from __future__ import annotations

from typing import TypeAlias

__all__ = ["covers", "covers_words"]

Words: TypeAlias = tuple[str, ...]


def covers(cover: Words, other: Words) -> bool:
    """Say whether every key that `other` matches is matched by `cover`, whatever its length."""
    return all(covers_words(cover, part) for part in _without_lone_empty_word(other))


def _without_lone_empty_word(words: Words) -> list[Words]:
    """Return patterns that match what the words match, but for a single empty word.

    That sequence is no key, since "" has no words (S40), yet `#.` and `.#` would match it.
    """
    if words.count("") != 1 or len(words) - words.count("#") != 1:
        return [words]
    parts: list[Words] = []
    if words[0] == "#":
        after = ("#",) if words[-1] == "#" else ()
        parts.append(("*", "#", "", *after))
    if words[-1] == "#":
        parts.append(("", "*", "#") if words[0] != "#" else ("#", "", "#", "*"))
    return parts


def covers_words(cover: Words, other: Words) -> bool:
    """Say the same of all sequences of words, a single empty word too, which is no key."""
    blocks, gaps = _cut(cover)
    first, last = blocks[0], blocks[-1]
    if not gaps:
        return len(cover) == len(other) and _stands_at(first, other, 0)
    begin, end = len(first), len(other) - len(last)
    if begin > end or not _stands_at(first, other, 0) or not _stands_at(last, other, end):
        return False
    for block, gap in zip(blocks[1:-1], gaps, strict=False):
        begin = _skip_words(other, begin, gap)
        while begin + len(block) <= end and not _stands_at(block, other, begin):
            begin += 1
        begin += len(block)
    return _skip_words(other, begin, gaps[-1]) <= end


def _cut(words: Words) -> tuple[list[list[str]], list[int]]:
    """Return the blocks between `#` words, and the least number of words in each gap."""
    blocks: list[list[str]] = [[]]
    gaps: list[int] = []
    wildcards: list[str] = []
    for word in (*words, None):
        if word in ("*", "#"):
            wildcards.append(word)
            continue
        if "#" in wildcards:
            gaps.append(wildcards.count("*"))
            blocks.append([])
        else:
            blocks[-1] += wildcards
        wildcards.clear()
        if word is not None:
            blocks[-1].append(word)
    return blocks, gaps


def _stands_at(block: list[str], other: Words, begin: int) -> bool:
    return all(
        given != "#" and wanted in ("*", given)
        for wanted, given in zip(block, other[begin : begin + len(block)], strict=True)
    )


def _skip_words(other: Words, begin: int, count: int) -> int:
    """Return the first place with so many words between it and `begin`; past the end if none."""
    while count and begin < len(other):
        count -= other[begin] != "#"
        begin += 1
    return begin if not count else len(other) + 1
