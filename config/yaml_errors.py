"""What libyaml's complaints mean to the author of a topology, with a remedy for each known trap."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import yaml

from leveret.config.source import MAX_LINE_SHOWN, quoted

if TYPE_CHECKING:
    from leveret.config.source import Source

__all__ = ["MAX_DEPTH", "TOO_DEEP", "explain_yaml_error", "help_with_alias", "quote_help"]

#: How deep lists and maps may be nested: the format itself nests nine deep, header values may add
#: some. libyaml has a limit of its own, above this one, which it may meet first, since it reads
#: ahead.
MAX_DEPTH = 64
#: Message and remedy for what is deeper.
TOO_DEEP = (
    f"lists and maps are nested more than {MAX_DEPTH} deep",
    "A topology needs far less: check for a bracket that is never closed.",
)

_TOKEN = re.compile(r"[^\s,\]}]*")
_UNCLOSED = re.compile(r"did not find expected ',' or '(.)'")
_AFTER_BLOCK_SIGN = re.compile(r"(?<=: )([>|]).*")
_ITEM = re.compile(r"\s*-\s+(\S.*)")


def explain_yaml_error(source: Source, error: yaml.YAMLError) -> tuple[int, int, str, str]:
    """Return line and column (from 0), message and remedy for an error that PyYAML raised."""
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return 0, 0, f"this is not YAML: {error}", "Save the topology as YAML text in UTF-8."
    mark = error.problem_mark
    context, problem = error.context or "", error.problem or ""
    if problem == "found unexpected end of stream" and error.context_mark is not None:
        mark = error.context_mark
    line = source.line(mark.line)
    if (unclosed := _UNCLOSED.match(problem)) and error.context_mark is not None:
        first, closing = error.context_mark, unclosed.group(1)
        if first.line != mark.line:
            message = f"this bracket is neither closed nor goes on in line {mark.line + 1}"
            remedy = f"Close it with '{closing}', or put a ',' between its items."
            return first.line, first.column, message, remedy
    if "while scanning an alias" in context and error.context_mark is not None:
        mark = error.context_mark
        return mark.line, mark.column, *help_with_alias(source.line(mark.line), mark.column)
    return mark.line, mark.column, *_explain(line, line[mark.column : mark.column + 1], problem)


def _explain(line: str, character: str, problem: str) -> tuple[str, str]:
    if character == "\t":
        return "a tab stands where YAML wants spaces", "Indent with spaces only."
    if problem == "exceeded maximum nesting depth":
        return TOO_DEEP
    if problem == "found character that cannot start any token":
        return (
            f"a value cannot begin with {quoted(character)} in YAML",
            "Put the value in double quotes.",
        )
    if problem == "did not find expected comment or line break" and (
        text := _AFTER_BLOCK_SIGN.search(line)
    ):
        return (
            f"YAML takes {quoted(text.group(1))} for the start of a text of several lines",
            f'For a text that begins with it, write double quotes: "{text.group().strip()}".',
        )
    if problem == "found unexpected end of stream":
        return "the quote that opens here is never closed", "Close it with the same quote."
    if problem == "found unknown escape character":
        return (
            "this is no escape that YAML knows",
            "Write a backslash as \\\\ in double quotes, or use single quotes.",
        )
    if "->" in line and problem.startswith("did not find expected"):
        return "YAML cannot read this binding without quotes", quote_help(line)
    if problem.startswith("mapping values are not allowed"):
        return (
            "YAML does not expect ': ' here",
            "Put the value in quotes if the colon belongs to it; otherwise check the indentation.",
        )
    if problem == "did not find expected key" or "'-' indicator" in problem:
        return (
            "this line does not fit in with those above it",
            "Give it the indentation of its neighbours, and check the line before.",
        )
    return f"this is not YAML: {problem}", "Check brackets, quotes and indentation near here."


def quote_help(line: str) -> str:
    """Return how to quote the binding that stands in a line of the file, as `- source -> …`."""
    item = _ITEM.fullmatch(line)
    binding = item.group(1).rstrip() if item else "source[key] -> destination"
    if len(binding) > MAX_LINE_SHOWN:
        return "Put the whole binding in double quotes."
    if '"' in binding:
        return f"Put the whole binding in single quotes: '{binding}'."
    return f'Put the whole binding in double quotes: "{binding}".'


def help_with_alias(line: str, column: int, name: str = "") -> tuple[str, str]:
    """Return message and remedy for a `*` that YAML takes for an alias; `name` if it is unknown."""
    match = _TOKEN.match(line, column)
    written = match.group() if match else "*"
    if name:
        return (
            f"YAML reads {quoted(written)} as an alias, and nothing is anchored as '&{name}'",
            f'For the text, put it in double quotes: "{written}".',
        )
    return (
        "YAML reads '*' as the beginning of an alias",
        f'Put it in double quotes: "{written}".',
    )
