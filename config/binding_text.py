"""The short form of a binding, `orders[order.*.paid, #] -> exchange audit`: read and written."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, NamedTuple

from attrs import define

from leveret.config.model import DestinationType
from leveret.config.source import quoted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lark import Lark, Token, UnexpectedInput

__all__ = [
    "BINDING_PATTERN",
    "MAX_TEXT",
    "BindingText",
    "BindingTextError",
    "Word",
    "format_binding",
    "parse_binding",
]

_FORM = "Write a binding as source[key, key] -> destination."
_QUOTING = "A key that holds a space, ',', ']' or a quote stands in double quotes."
#: Some two hundred keys of the largest size.
MAX_TEXT = 50_000

#: What nearly all bindings look like: names and keys without quotes, on one line. The grammar says
#: the same of them, at twenty times the cost; a test holds the two together.
_COMMON = re.compile(
    r"""[ \t]*(?P<source>(?:(?!->)[^\s\[\]",])+)
        [ \t]*(?P<keys>\[[ \t]*(?P<inside>[^\s,\]"']+(?:[ \t]*,[ \t]*[^\s,\]"']+)*)[ \t]*\])?
        [ \t]*->[ \t]*
        (?:(?P<kind>queue|exchange)[ \t]+)?(?P<destination>(?:(?!->)[^\s\[\]",])+)[ \t]*""",
    re.VERBOSE,
)
_QUOTED = r'"(?:[^"\\]|\\[\s\S])*"'
_PLAIN_NAME = re.compile(r"""(?:(?!->)[^\s\[\]",])+""")
_PLAIN_KEY = re.compile(r"""[^\s,\]"']+""")
_KEY = re.compile(f"{_QUOTED}|{_PLAIN_KEY.pattern}")
_ESCAPE = re.compile(r"\\([\s\S])")


def _pattern() -> str:
    space, key = "[ \\t\\r\\n]", f"(?:{_KEY.pattern})"
    name = f"(?:{_QUOTED}|{_PLAIN_NAME.pattern})"
    keys = rf"\[{space}*{key}(?:{space}*,{space}*{key})*{space}*\]"
    kind = f"(?:(?:queue|exchange){space}+)?"
    return f"^{space}*{name}{space}*(?:{keys})?{space}*->{space}*{kind}{name}{space}*$"


#: All bindings, for who has regular expressions and no grammar: editors.
BINDING_PATTERN = _pattern()


class Word(NamedTuple):
    """A name or key, without its quotes, and where it begins in the text of the binding."""

    text: str
    offset: int


@define
class BindingText:
    """A binding as its short form says it; without brackets the only key is the empty one."""

    source: Word
    keys: list[Word]
    destination_type: DestinationType | None
    destination: Word


class BindingTextError(ValueError):
    """The text is no binding; `offset` is where it stops making sense."""

    def __init__(self, offset: int, message: str, remedy: str) -> None:
        super().__init__(message)
        self.offset = offset
        self.message = message
        self.remedy = remedy


def parse_binding(text: str) -> BindingText:
    """Read the short form of a binding.

    Raises:
        BindingTextError: the text is not in that form.

    >>> binding = parse_binding('orders[order.*.paid, "a b"] -> exchange audit')
    >>> [key.text for key in binding.keys], binding.destination_type
    (['order.*.paid', 'a b'], 'exchange')

    """
    if len(text) > MAX_TEXT:
        remedy = "Write several bindings, each with some of the keys."
        raise BindingTextError(0, f"this binding has more than {MAX_TEXT} characters", remedy)
    return _build_common(common) if (common := _COMMON.fullmatch(text)) else _parse(text)


def _build_common(match: re.Match[str]) -> BindingText:
    source = Word(match["source"], match.start("source"))
    keys = [Word("", source.offset)]
    if (inside := match["inside"]) is not None:
        start = match.start("inside")
        keys = [Word(key.group(), start + key.start()) for key in _PLAIN_KEY.finditer(inside)]
    kind: DestinationType | None = None
    if match["kind"] is not None:
        kind = "queue" if match["kind"] == "queue" else "exchange"
    return BindingText(source, keys, kind, Word(match["destination"], match.start("destination")))


def _parse(text: str) -> BindingText:
    from lark import UnexpectedInput

    try:
        return _build(_parser().parse(text, start="start"))  # type: ignore[arg-type] # from Flat
    except UnexpectedInput:
        raise _unreadable(text) from None


def format_binding(
    source: str,
    keys: Iterable[str],
    destination: str,
    destination_type: DestinationType | None = None,
) -> str:
    """Write a binding in its short form; `parse_binding` reads the same back.

    >>> format_binding("orders", ["a.#", "b c"], "audit", "exchange")
    'orders[a.#, "b c"] -> exchange audit'
    """
    written = [_quote(key, _PLAIN_KEY) for key in keys]
    brackets = "" if written == ['""'] else f"[{', '.join(written)}]"
    kind = f"{destination_type} " if destination_type else ""
    target = _quote(destination, _PLAIN_NAME)
    return f"{_quote(source, _PLAIN_NAME)}{brackets} -> {kind}{target}"


def _quote(word: str, plain: re.Pattern[str]) -> str:
    if plain.fullmatch(word):
        return word
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'


@cache
def _parser() -> Lark:
    # Lark takes longer to import than the rest of leveret; nothing but a topology needs it.
    from lark import Lark, Transformer

    class Flat(Transformer["Token", list["Token"]]):
        def start(self, tokens: list[Token]) -> list[Token]:
            return tokens

    grammar = files("leveret.config").joinpath("binding.lark").read_text(encoding="utf-8")
    return Lark(
        grammar,
        parser="lalr",
        start=["start", "explain"],
        maybe_placeholders=False,
        transformer=Flat(),
    )


def _build(tokens: list[Token]) -> BindingText:
    source = _word(tokens[0], tokens[0].start_pos or 0)
    keys: list[Word] | None = None
    kind: DestinationType | None = None
    for token in tokens[1:-1]:
        if token.type == "KIND":
            kind = "queue" if token == "queue" else "exchange"
        else:
            start = token.start_pos or 0
            keys = [_word(m.group(), start + m.start()) for m in _KEY.finditer(token, 1)]
    if keys is None:
        keys = [Word("", source.offset)]
    return BindingText(source, keys, kind, _word(tokens[-1], tokens[-1].start_pos or 0))


def _word(written: str, offset: int) -> Word:
    if not written.startswith('"'):
        return Word(str(written), offset)
    inner = written[1:-1]
    return Word(_ESCAPE.sub(r"\1", inner) if "\\" in inner else inner, offset)


def _unreadable(text: str) -> BindingTextError:
    """Find where a text that is no binding stops being one."""
    from lark import UnexpectedInput

    try:
        _parser().parse(text, start="explain")
    except UnexpectedInput as error:
        return _explain(text, error)
    return BindingTextError(0, "this is not a binding", _FORM)


def _explain(text: str, error: UnexpectedInput) -> BindingTextError:
    offset = error.pos_in_stream
    if offset is None or getattr(getattr(error, "token", None), "type", "") == "$END":
        offset = len(text)
    expected = getattr(error, "expected", None) or getattr(error, "allowed", None) or ()
    before = text[:offset].rstrip()
    return BindingTextError(offset, *_wanted(text, before, offset, frozenset(expected)))


def _wanted(text: str, before: str, offset: int, expected: frozenset[str]) -> tuple[str, str]:
    """Say what the grammar wanted at `offset`, by the terminals it would have taken there."""
    rest = text[offset : offset + 1]
    if rest == '"' and text.count('"', offset) == 1:
        return "the quote that opens here is never closed", "Close it with '\"'."
    if "RSQB" in expected:
        return f"expected ',' or ']' after the key {quoted(_last_word(before))}", _QUOTING
    if "KEY" in expected:
        if rest == "]":
            return (
                "there is no key before this bracket",
                "Leave the brackets out for the empty key, or remove the comma too many.",
            )
        return "expected a binding key", _QUOTING
    if "LSQB" in expected:
        return "expected '[' or '->' after the source exchange", _arrow_help(text)
    if "__ANON_0" in expected:
        return "expected '->' after the keys", _arrow_help(text[offset:])
    if expected & {"$END", "<END-OF-FILE>"}:
        if rest == "[":
            return "keys stand behind the source, not the destination", _FORM
        return (
            "expected nothing more after the destination",
            "A name that holds a space, a comma or a bracket stands in double quotes.",
        )
    if not before:
        return "expected the name of the source exchange", _FORM
    return "expected the name of the destination after '->'", _FORM


def _last_word(before: str) -> str:
    return before.replace(",", "[").rpartition("[")[2].strip()


def _arrow_help(text: str) -> str:
    for wrong in ("=>", "→", "-->", "—>"):
        if wrong in text:
            return f"Write the arrow as '->', not {quoted(wrong)}."
    return _FORM
