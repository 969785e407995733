"""The text of one topology file: its lines, its places, and the faults found in it."""

from __future__ import annotations

import re

from attrs import define, field

from leveret.config.findings import MALFORMED, RULES, Finding
from leveret.errors import Fault, Position, TopologyError

__all__ = ["LINE_BREAK", "MAX_FAULTS", "Source", "quoted"]

#: A file of random bytes has a fault on every line; nobody reads beyond this many.
MAX_FAULTS = 1000

#: A source line longer than this is clipped in messages: a caret far to the right helps nobody.
MAX_LINE_SHOWN = 160

#: A message longer than this quotes something that nobody wants to read.
MAX_MESSAGE = 500

#: The line breaks that libyaml counts, so that its line numbers and ours agree.
LINE_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
_UNPRINTABLE = re.compile("[^\t\x20-\x7e\xa0-\u2027\u202f-\ud7ff\ue000-\U0010ffff]")


@define(eq=False)
class Source:
    """One file being read. Lines and columns are counted from 0 here, from 1 in `Position`."""

    file: str
    text: str
    faults: list[Fault] = field(factory=list)
    _lines: list[str] | None = field(default=None, init=False)
    # (line, column, message): an alias leads to one place several times
    _reported: set[tuple[int, int, str]] = field(factory=set, init=False)

    def position(self, line: int, column: int) -> Position:
        """Return the place of a character."""
        return Position(self.file, line + 1, column + 1)

    def line(self, line: int) -> str:
        """Return one line of the text without its line break; "" past the end."""
        if self._lines is None:
            self._lines = LINE_BREAK.split(self.text)
        return self._lines[line] if line < len(self._lines) else ""

    def place_of(self, index: int) -> tuple[int, int]:
        """Return line and column of the character at `index`; costs a pass over the text."""
        breaks = [match.end() for match in LINE_BREAK.finditer(self.text, 0, index)]
        return len(breaks), index - (breaks[-1] if breaks else 0)

    def report(
        self, line: int, column: int, message: str, remedy: str, code: str = MALFORMED
    ) -> None:
        """Note one fault, unless it is known already.

        Raises:
            TopologyError: there are too many faults to go on.

        """
        place = (line, column, message)
        if place in self._reported:
            return
        self._reported.add(place)
        self.faults.append(self.finding(line, column, message, remedy, code))
        if len(self.faults) >= MAX_FAULTS:
            stop = f"stopped reading here, after {MAX_FAULTS} errors"
            position = self.position(line, column)
            self.faults.append(Finding(position, stop, "Mend the errors above, then check again."))
            raise TopologyError(self.faults)

    def finding(
        self, line: int, column: int, message: str, remedy: str, code: str, details: str = ""
    ) -> Finding:
        """Return a finding at a place, fit for a terminal whatever text of the file it quotes."""
        return Finding(
            self.position(line, column),
            _one_line(message),
            _one_line(remedy),
            self._shown_line(line, column),
            code,
            RULES[code].severity,
            "\n".join(map(_escaped, details.splitlines())),
        )

    def stop(self) -> TopologyError:
        """Return the error that carries every fault found so far."""
        return TopologyError(self.faults)

    def _shown_line(self, line: int, column: int) -> str:
        text = self.line(line)
        if len(text) > MAX_LINE_SHOWN:
            if column >= MAX_LINE_SHOWN:
                return ""
            text = text[:MAX_LINE_SHOWN] + "…"
        return _UNPRINTABLE.sub("\ufffd", text)


def _one_line(text: str) -> str:
    """Return a message fit for a terminal, whatever text of the file it quotes."""
    clipped = text if len(text) <= MAX_MESSAGE else text[: MAX_MESSAGE - 1] + "…"
    return _escaped(clipped)


def _escaped(text: str) -> str:
    return _UNPRINTABLE.sub(lambda match: ascii(match.group())[1:-1], text)


def quoted(text: str, limit: int = 60) -> str:
    r"""Return a text as messages show it: in single quotes, on one line, clipped.

    >>> print(quoted("two\nlines"))
    'two\nlines'
    """
    clipped = text if len(text) <= limit else text[: limit - 1] + "…"
    return f"'{_escaped(clipped)}'"
