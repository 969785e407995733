"""How near a miss was: the measures by which a trace picks the bindings worth showing.

They only order what did not match, so they are cheap and rough; whether a binding matches is
never decided here.
"""

from __future__ import annotations

from functools import lru_cache

__all__ = ["pattern_distance", "text_distance", "text_hint"]


def text_distance(wanted: str, given: str) -> int:
    """Return the length of what differs between two texts, their common ends left aside.

    >>> text_distance("order.paid", "order.payed"), text_distance("a", "a")
    (2, 0)
    """
    longer = max(len(wanted), len(given))
    shorter = min(len(wanted), len(given))
    start = 0
    while start < shorter and wanted[start] == given[start]:
        start += 1
    end = 0
    while end < shorter - start and wanted[-1 - end] == given[-1 - end]:
        end += 1
    return longer - start - end


def text_hint(wanted: str, given: str) -> str:
    """Return a remark on a difference that is easily overlooked, or nothing.

    >>> text_hint("Paid", "paid"), text_hint("paid", "paid "), text_hint("a", "b")
    (' (only upper and lower case differ)', ' (only spaces around it differ)', '')
    """
    if wanted.casefold() == given.casefold():
        return " (only upper and lower case differ)"
    if wanted.strip() == given.strip():
        return " (only spaces around it differ)"
    return ""


def pattern_distance(pattern: str, key: str) -> float:
    """Return the words of `key` to change, drop or add until `pattern` matches.

    An edit distance over words: a word in the place of another costs the share of it that
    differs, a word too many or too few costs 1, `*` takes a word and `#` any number for nothing.

    >>> pattern_distance("a.*.#", "a.b.c.d"), pattern_distance("a.b", "a.b.c")
    (0.0, 1.0)
    """
    words = key.split(".") if key else []
    row = [float(column) for column in range(len(words) + 1)]
    for wanted in pattern.split(".") if pattern else []:
        above = row
        free = wanted == "#"
        row = [above[0] + (not free)]
        for column, word in enumerate(words, 1):
            if free:
                row.append(min(above[column], row[-1]))
            else:
                swap = above[column - 1] + _word_distance(wanted, word)
                row.append(min(swap, above[column] + 1, row[-1] + 1))
    return row[-1]


@lru_cache(maxsize=1024)  # a long list of patterns shares its words
def _word_distance(wanted: str, word: str) -> float:
    if wanted in ("*", word):
        return 0.0
    return text_distance(wanted, word) / max(len(wanted), len(word))
