"""Regular expressions of policies and permissions, matched against names in bounded time.

Python's `re` tries the ways through a pattern one after the other, so that `(a+)+b` takes longer
than anybody lives to find that it does not match forty letters. A file may hold such a pattern. So
`re` is asked only where a pattern has no two choices that could multiply; others are read, by
`re`'s own parser, into a nondeterministic automaton that follows all ways at once: steps are
bounded by letters times states. What an automaton cannot say (a back reference, a look behind)
beside such choices is left undecided.
"""

from __future__ import annotations

import re
import warnings
from typing import TYPE_CHECKING, Any, TypeAlias

from attrs import define, field, frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["MAX_STATES", "MAX_STEPS", "NamePattern", "NamePatterns"]

#: States of one automaton; a pattern that needs more is left undecided.
MAX_STATES = 1500

#: What all patterns of one check may cost together, up to three seconds: a question to `re` is one,
#: a step of an automaton three, as does making it,
#: a letter of a pattern two. Thirty policies and 20,000 queues cost 600,000.
MAX_STEPS = 1_000_000

_parser: Any = re._parser
_REPEATS = {"MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"}

#: A parsed pattern: pairs of an operation and its argument.
_Parsed: TypeAlias = "Iterable[tuple[Any, Any]]"
_Test: TypeAlias = "Callable[[str], bool]"

_CATEGORIES: dict[str, _Test] = {
    "DIGIT": str.isdigit,
    "SPACE": str.isspace,
    "WORD": lambda c: c.isalnum() or c == "_",
}


class _Undecided(Exception):
    """The pattern holds what an automaton cannot say, or too much of it."""


@define
class _Patience:
    """How many steps are left."""

    steps: int


@define(eq=False)
class NamePatterns:
    """The patterns of one check, each made once, with one bound on the time for all of them."""

    _patience: _Patience = field(factory=lambda: _Patience(MAX_STEPS))
    # text -> pattern
    _made: dict[str, NamePattern] = field(factory=dict)

    @property
    def exhausted(self) -> bool:
        """Whether no pattern gives an answer any more."""
        return self._patience.steps <= 0

    def of(self, text: str) -> NamePattern:
        """Return the pattern of a text; of what `re` does not take, nothing can be told.

        >>> NamePatterns().of("^a.*z$").matches("a to z")
        True
        """
        if text not in self._made:
            self._made[text] = NamePattern.of(text, self._patience)
        return self._made[text]


@define(eq=False)
class NamePattern:
    """A regular expression that is looked for in names, as RabbitMQ does: anywhere in them."""

    text: str
    _patience: _Patience
    _search: Callable[[str], object] | None
    _automaton: _Automaton | None = None

    @classmethod
    def of(cls, text: str, patience: _Patience) -> NamePattern:
        """Make one; RabbitMQ's expressions are a wider language than Python's."""
        patience.steps -= 2 * len(text)
        if patience.steps < 0:
            return cls(text, patience, None)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about spellings that a later Python will refuse
                parsed = _parser.parse(text)
                if _is_quick(parsed):
                    return cls(text, patience, re.compile(text).search)
            return cls(text, patience, None, _Automaton.of(parsed, patience))
        except (_Undecided, re.error, RecursionError, OverflowError):
            return cls(text, patience, None)

    def matches(self, name: str) -> bool | None:
        """Say whether it is found in a name; None where that cannot be told."""
        self._patience.steps -= 1
        if self._patience.steps < 0:
            return None
        if self._search is not None:
            return self._search(name) is not None
        if self._automaton is None:
            return None
        return self._automaton.is_found_in(name)


def _is_quick(parsed: _Parsed) -> bool:
    """Say whether a pattern has one choice at most, or two that cannot multiply."""
    repeats, branches = _choices(parsed, in_repeat=False)
    return repeats <= 1 and branches <= 1


def _choices(parsed: _Parsed, *, in_repeat: bool) -> tuple[int, int]:
    """Count repeats of variable length, and branches; one inside a repeat counts as two."""
    repeats = branches = 0
    for operation, argument in parsed:
        name = str(operation)
        inner_repeat = in_repeat
        if name in _REPEATS:
            least, most, _ = argument
            repeats += (least != most) * (1 + in_repeat)
            inner_repeat = True
        elif name == "BRANCH":
            branches += 1 + in_repeat
        for part in _parts(name, argument):
            more_repeats, more_branches = _choices(part, in_repeat=inner_repeat)
            repeats, branches = repeats + more_repeats, branches + more_branches
    return repeats, branches


def _parts(name: str, argument: Any) -> list[Any]:
    """Return the patterns that stand inside an operation."""
    if name in _REPEATS:
        return [argument[2]]
    if name == "BRANCH":
        return list(argument[1])
    if name in ("SUBPATTERN", "ASSERT", "ASSERT_NOT"):
        return [argument[-1]]
    if name == "ATOMIC_GROUP":
        return [argument]
    if name == "GROUPREF_EXISTS":
        return [part for part in argument[1:] if part is not None]
    return []


@frozen
class _Look:
    """A condition that takes no letter: a place in the name, or what follows it."""

    kind: str  # AT_BEGINNING, AT_END, AT_BOUNDARY, AT_NON_BOUNDARY, or "" for an automaton
    automaton: _Automaton | None = None
    negated: bool = False


@define(eq=False)
class _Automaton:
    """States with what each asks for and where it leads; state 0 accepts."""

    patience: _Patience
    # a letter (test), a condition (look), or nothing: then it leads on by itself
    asks: list[_Test | _Look | None] = field(factory=lambda: [None])
    leads: list[tuple[int, ...]] = field(factory=lambda: [()])
    start: int = 0
    ignores_case: bool = False

    @classmethod
    def of(cls, parsed: Any, patience: _Patience, *, ignores_case: bool = False) -> _Automaton:
        flags = getattr(getattr(parsed, "state", None), "flags", 0)
        automaton = cls(patience, ignores_case=ignores_case or bool(flags & re.IGNORECASE))
        automaton.start = automaton.sequence(list(parsed), 0)
        return automaton

    def is_found_in(self, name: str) -> bool | None:
        """Say whether the pattern matches anywhere in a name; None past all patience."""
        return self._run(name, 0, anywhere=True)

    def _run(self, name: str, begin: int, *, anywhere: bool) -> bool | None:
        states = {self.start}
        for i in range(begin, len(name) + 1):
            states = self._follow(states, name, i)
            self.patience.steps -= 3 * len(states) + 1
            if self.patience.steps < 0:
                return None
            if 0 in states:
                return True
            if i < len(name):
                states = {
                    to
                    for state in states
                    if callable(test := self.asks[state]) and self._takes(test, name[i])
                    for to in self.leads[state]
                }
            if anywhere:
                states.add(self.start)
        return False

    def _takes(self, test: _Test, letter: str) -> bool:
        if test(letter):
            return True
        return self.ignores_case and (test(letter.lower()) or test(letter.upper()))

    def _follow(self, states: set[int], name: str, i: int) -> set[int]:
        """Add what is reached without a letter; conditions are looked at for place `i`."""
        found, work = set(states), list(states)
        while work:
            state = work.pop()
            ask = self.asks[state]
            if ask is None or (isinstance(ask, _Look) and _holds(ask, name, i)):
                for to in self.leads[state]:
                    if to not in found:
                        found.add(to)
                        work.append(to)
        return found

    # --- building: each method returns the state that begins a part and leads to `then`

    def add(self, ask: _Test | _Look | None, *leads: int) -> int:
        self.patience.steps -= 3
        if len(self.asks) > MAX_STATES or self.patience.steps < 0:
            raise _Undecided
        self.asks.append(ask)
        self.leads.append(leads)
        return len(self.asks) - 1

    def sequence(self, parsed: _Parsed, then: int) -> int:
        for operation, argument in reversed(list(parsed)):
            then = self.part(str(operation), argument, then)
        return then

    def part(self, name: str, argument: Any, then: int) -> int:
        if name in _REPEATS and name != "POSSESSIVE_REPEAT":
            least, most, parsed = argument
            return self.repeat(least, most, parsed, then)
        match name:
            case "BRANCH":
                return self.add(None, *[self.sequence(one, then) for one in argument[1]])
            case "SUBPATTERN":
                if argument[1] or argument[2]:
                    raise _Undecided  # flags of its own
                return self.sequence(argument[3], then)
            case "ASSERT" | "ASSERT_NOT" if argument[0] == 1:
                inner = _Automaton.of(argument[1], self.patience, ignores_case=self.ignores_case)
                return self.add(_Look("", inner, negated=name == "ASSERT_NOT"), then)
            case "AT":
                return self.add(_Look(str(argument)), then)
        return self.add(_test(name, argument), then)

    def repeat(self, least: int, most: int, parsed: Any, then: int) -> int:
        if most is _parser.MAXREPEAT:
            loop = self.add(None)
            self.leads[loop] = (self.sequence(parsed, loop), then)
            then = loop
        else:
            end = then
            for _ in range(most - least):
                then = self.add(None, self.sequence(parsed, then), end)
        for _ in range(least):
            then = self.sequence(parsed, then)
        return then


def _holds(look: _Look, name: str, i: int) -> bool:
    if look.automaton is not None:
        return bool(look.automaton._run(name, i, anywhere=False)) != look.negated
    if look.kind in ("AT_BEGINNING", "AT_BEGINNING_STRING"):
        return i == 0
    if look.kind in ("AT_END", "AT_END_STRING"):
        return i == len(name)
    around = [_CATEGORIES["WORD"](c) for c in (name[i - 1 : i], name[i : i + 1])]
    return (around[0] != around[1]) == (look.kind == "AT_BOUNDARY")


def _test(name: str, argument: Any) -> _Test:
    match name:
        case "LITERAL":
            return chr(argument).__eq__
        case "NOT_LITERAL":
            return chr(argument).__ne__
        case "ANY":
            return lambda _: True
        case "RANGE":
            low, high = map(chr, argument)
            return lambda c: low <= c <= high
        case "CATEGORY":
            _, *negated, category = str(argument).split("_")
            test = _CATEGORIES[category]
            return (lambda c: not test(c)) if negated else test
        case "IN":
            negated_set = str(argument[0][0]) == "NEGATE"
            tests = [_test(str(op), value) for op, value in argument[negated_set:]]
            return lambda c: any(test(c) for test in tests) != negated_set
    raise _Undecided
