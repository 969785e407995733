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

__all__ = ["Environment"]

_VARIABLE = re.compile(r"\$\{([^{}\n\"']*)\}")
_CONTENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?", re.DOTALL)
_PRIVATE_USE = range(0xE000, 0xF8FF)


@frozen
class Environment:
    """The variables, and a file's text in which the places of variables are masked."""

    variables: Mapping[str, str]
    masked: str
    _opening: str
    _masked_variable: re.Pattern[str]

    @classmethod
    def of(cls, source: Source, variables: Mapping[str, str]) -> Self:
        """Mask the variables of a file; a file without any is left as it is."""
        text = source.text
        if "${" not in text:
            return cls(variables, text, "", _VARIABLE)
        free = (chr(code) for code in _PRIVATE_USE if chr(code) not in text)
        opening, closing = next(free, ""), next(free, "")
        if not closing:
            return cls(variables, text, "", _VARIABLE)
        masked = _VARIABLE.sub(rf"${opening}\1{closing}", text)
        return cls(variables, masked, opening, re.compile(rf"\${opening}([^{closing}]*){closing}"))

    def may_hold(self, text: str) -> bool:
        """Tell whether a text read from the masked file may hold a variable; cheap."""
        return self._opening != "" and self._opening in text

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

        node.text = self._masked_variable.sub(value, node.text)
