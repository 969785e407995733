"""How a single value is spelled: in quotes where it needs them, as it stands where it does not."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import yaml
from attrs import frozen

from leveret.config.nodes import YAML_LOADER
from leveret.config.source import LINE_BREAK
from leveret.config.yaml_text import double_quoted, is_read_otherwise, scalar

if TYPE_CHECKING:
    from leveret.config.environment import Environment
    from leveret.config.format_tree import Scalar

__all__ = ["Speller"]

_QUANTITY = re.compile(r"[0-9]+ ?[A-Za-z]+")
#: A binding without a bracket, comma or quote.
_BINDING_IN_BRACKETS = re.compile(r"[A-Za-z][\w./*-]* -> (?:queue |exchange )?[\w./*-]+", re.ASCII)
#: Line breaks that a block scalar would turn into others.
_OTHER_BREAKS = re.compile("[\r\x85\u2028\u2029]")


@frozen
class Speller:
    """Spells the values of one file; variables are masked in them, and stay as written."""

    environment: Environment

    def spell(self, value: Scalar, *, in_flow: bool = False) -> str:
        """Return the text of a value on one line; `in_flow` if it stands in brackets."""
        text, one_line = value.text, LINE_BREAK.search(value.written) is None
        if self.environment.is_masked(text):
            if one_line:
                return value.written
            is_one_plain = not value.style and "\n" not in text
            return text if is_one_plain else self._double_quoted(text)
        if "!" in value.properties and one_line:
            return value.written
        if not value.style:
            needs_quotes = "\n" in text or "${" in text or is_read_otherwise(text)
            return double_quoted(text) if needs_quotes else text
        if value.role == "quantity" and _QUANTITY.fullmatch(text):
            return text
        if value.role == "binding" and in_flow and _BINDING_IN_BRACKETS.fullmatch(text):
            return text
        return scalar(text, item=value.role == "binding" and not in_flow)

    def _double_quoted(self, text: str) -> str:
        parts = self.environment.parts(text)
        spelled = (
            part if number % 2 else double_quoted(part)[1:-1] for number, part in enumerate(parts)
        )
        return f'"{"".join(spelled)}"'

    def block(self, value: Scalar) -> tuple[str, list[str]] | None:
        """Return the indicator of a block scalar, and its lines without their indentation.

        None if the value has to be written in another way.
        """
        header, *lines = LINE_BREAK.split(value.written)
        indicator = header.partition("#")[0].strip()
        if value.style not in ("|", ">") or "+" in indicator or _OTHER_BREAKS.search(value.text):
            return None
        indent = min(
            (len(line) - len(line.lstrip(" ")) for line in lines if line.strip()), default=0
        )
        if digits := re.search(r"\d", indicator):
            indent = value.parent_column + int(digits.group())
            indicator = indicator.replace(digits.group(), "2")
        else:
            first = next((line for line in lines if line.strip()), "")
            indent = len(first) - len(first.lstrip(" "))
        cut = [line[indent:].rstrip() if not line.strip() else line[indent:] for line in lines]
        return (indicator, cut) if _block_text(indicator, cut) == value.text else None


def _block_text(indicator: str, lines: list[str]) -> str | None:
    """Return what YAML reads in a block scalar."""
    document = "\n".join([f"x: {indicator}", *("  " + line if line else "" for line in lines), ""])
    try:
        events = list(yaml.parse(document, Loader=YAML_LOADER))
    except yaml.YAMLError:
        return None
    texts = [event.value for event in events if isinstance(event, yaml.ScalarEvent)]
    return str(texts[1]) if len(texts) == 2 else None
