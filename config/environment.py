"""`${NAME}` and `${NAME:-default}` in values, taken from the environment.

YAML forbids braces in plain values inside `{…}`, where variables are wanted most:
`{password: ${PASSWORD}}`. So before YAML is read, the braces of each variable are masked with two
characters that the file does not hold; lengths, and with them all places, stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Self

from attrs import frozen

if TYPE_CHECKING:
    from leveret.config.nodes import ScalarNode
    from leveret.config.source import Source

__all__ = ["VARIABLE", "Environment", "Substituted"]

#: A variable as it is written, for any dialect of regular expressions.
VARIABLE = r"""\$\{([^{}\n"']*)\}"""

_VARIABLE = re.compile(VARIABLE)
_CONTENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?", re.DOTALL)
_PRIVATE_USE = range(0xE000, 0xF8FF)


class Substituted(str):
    """A text in which the values of variables stand; `written` is the text of the file.

    What is printed of a secret is then what the file says. It equals the text that it is.
    """

    written: str

    def __new__(cls, text: str, written: str = "") -> Self:
        """Return a text that knows how it was written."""
        made = super().__new__(cls, text)
        made.written = written or text
        return made


@frozen
class Environment:
    """The variables, and a file's text in which the places of variables are masked."""

    variables: Mapping[str, str] | None
    masked: str
    _opening: str
    _closing: str
    _masked_variable: re.Pattern[str]

    @classmethod
    def of(cls, source: Source, variables: Mapping[str, str] | None) -> Self:
        """Mask the variables of a file; a file without any is left as it is.

        Where `variables` is None, nothing is put in their places.
        """
        text = source.text
        if "${" not in text:
            return cls(variables, text, "", "", _VARIABLE)
        lowered = text.lower()  # where an escape such as \uE000 may spell a character, too
        free = (
            chr(code)
            for code in _PRIVATE_USE
            if chr(code) not in text and f"{code:04x}" not in lowered
        )
        opening, closing = next(free, ""), next(free, "")
        if not closing:
            return cls(variables, text, "", "", _VARIABLE)
        masked = _VARIABLE.sub(rf"${opening}\1{closing}", text)
        masked_variable = re.compile(rf"\${opening}([^{closing}]*){closing}")
        return cls(variables, masked, opening, closing, masked_variable)

    def may_hold(self, text: str) -> bool:
        """Tell whether a text read from the masked file may hold a variable; cheap."""
        return self._opening != "" and self._opening in text

    def is_masked(self, text: str) -> bool:
        """Tell whether a text of the masked file has a brace of a variable in it."""
        return self._opening != "" and (self._opening in text or self._closing in text)

    def parts(self, text: str) -> list[str]:
        """Return a text of the masked file in parts, every other of which is a masked brace."""
        return re.split(f"([{self._opening}{self._closing}])", text) if self._opening else [text]

    def unmask(self, text: str) -> str:
        """Return a text that holds parts of the masked file with the braces that they stand for."""
        if not self._opening:
            return text
        return text.replace(self._opening, "{").replace(self._closing, "}")

    def replace(self, node: ScalarNode, *, is_key: bool) -> None:
        """Put the values of the variables into a text; in a key that is a fault."""

        def value(match: re.Match[str]) -> str:
            written = "${" + match.group(1) + "}"
            content = _CONTENT.fullmatch(match.group(1))
            if is_key:
                node.faulty = True
                node.fault(
                    f"{written} stands in a key; variables are read in values only",
                    "Write the name out; a topology that differs by environment is another file.",
                )
            elif content is None:
                node.faulty = True
                node.fault(
                    f"{written} is not a variable",
                    "Write ${NAME} or ${NAME:-default}; names hold letters, digits and '_'.",
                )
            elif self.variables is None:
                node.faulty = True
            elif (found := self.variables.get(content.group(1))) is not None:
                return found
            elif (default := content.group(2)) is not None:
                return default
            else:
                name = content.group(1)
                node.faulty = True
                node.fault(
                    f"the environment variable {name} is not set",
                    f"Set it, or give a default: ${{{name}:-default}}.",
                )
            return written

        if "${" not in node.text:  # or it could not be told from a variable
            node.written = self.unmask(node.text)
        node.text = self._masked_variable.sub(value, node.text)
