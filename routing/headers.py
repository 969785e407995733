"""Matching a message's headers against the arguments of a binding (S50-S54).

The arguments are compiled once, when the binding is made; a message then costs one lookup for
each header that the binding names, at most.

1. `x-match` says how many of the named headers must match: `all` (when absent, too) or `any`;
   with nothing named, `all` matches every message and `any` none (S50).
2. Arguments beginning with `x-` name no header, unless `x-match` is `all-with-x` or
   `any-with-x`; `x-match` itself never does (S51).
3. A void value asks for the header to be there, whatever its value (S52).
4. Any other value must be equal, kind and all; see `leveret.routing.values` (S53). RabbitMQ up to
   3.12 took 1 and 1.0 for equal; 3.13 and later, which this follows, do not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeAlias, cast

from attrs import field, frozen

from leveret.errors import PreconditionFailed
from leveret.routing.erlang import erlang_term, erlang_type
from leveret.routing.values import Form, value_form

if TYPE_CHECKING:
    from leveret.properties import FieldTable, FieldValue

__all__ = ["Criterion", "HeadersMatch", "XMatch"]

XMatch: TypeAlias = Literal["all", "any", "all-with-x", "any-with-x"]

_X_MATCH: Final = ("all", "any", "all-with-x", "any-with-x")

#: Kinds whose values may be compared as they are, once both have the same Python type.
_PLAIN: Final = frozenset({str, int, bool, float})

_ABSENT: Final = object()


@frozen
class Criterion:
    """One header that a binding names, with the value wanted; None is any value."""

    name: str
    value: FieldValue
    form: Form

    def accepts(self, given: FieldValue) -> bool:
        """Say whether a header's value is as wanted."""
        if self.value is None:
            return True
        if given.__class__ is self.value.__class__ and given.__class__ in _PLAIN:
            return given == self.value
        return value_form(given) == self.form


@frozen
class HeadersMatch:
    """The arguments of a binding to a headers exchange, compiled by `compile`.

    >>> match = HeadersMatch.compile({"x-match": "all", "format": "png", "size": None})
    >>> match.matches({"format": "png", "size": 3, "more": True})
    True
    >>> match.mismatch({"format": "gif", "size": 3})
    "header 'format' is 'gif', the binding wants 'png'"
    """

    mode: XMatch
    criteria: tuple[Criterion, ...] = field(repr=False)

    @classmethod
    def compile(cls, arguments: FieldTable | None) -> HeadersMatch:
        """Compile the arguments of a binding.

        Raises:
            PreconditionFailed: `x-match` is none of the four (S54).
            TypeError: an argument has a value that AMQP does not know.

        """
        arguments = arguments or {}
        mode = _mode(arguments["x-match"]) if "x-match" in arguments else "all"
        with_x = mode.endswith("-with-x")
        return cls(
            mode,
            tuple(
                Criterion(name, value, value_form(value))
                for name, value in arguments.items()
                if (not name.startswith("x-") or with_x) and name != "x-match"
            ),
        )

    def matches(self, headers: FieldTable | None) -> bool:
        """Say whether a message with these headers matches; no table is an empty one (S53)."""
        want_any = self.mode.startswith("any")
        get = (headers or {}).get
        for criterion in self.criteria:
            given = get(criterion.name, _ABSENT)
            accepted = given is not _ABSENT and criterion.accepts(cast("FieldValue", given))
            if accepted == want_any:
                return want_any
        return not want_any

    def mismatch(self, headers: FieldTable | None) -> str:
        """Say in one sentence why the headers do not match; "" if they do."""
        if self.matches(headers):
            return ""
        if not self.criteria:
            return f"x-match is {self.mode!r} and the binding names no header"
        reasons = filter(None, (_reason(c, headers or {}) for c in self.criteria))
        if self.mode.startswith("all"):
            return next(reasons)
        return f"none of the headers matches: {'; '.join(reasons)}"


def _mode(value: FieldValue) -> XMatch:
    if not isinstance(value, str):
        raise PreconditionFailed(
            f"Invalid x-match field type {erlang_type(value)} (value {erlang_term(value)}); "
            "expected longstr"
        )
    if value not in _X_MATCH:
        raise PreconditionFailed(
            f"Invalid x-match field value {erlang_term(value)}; "
            "expected all, any, all-with-x, or any-with-x"
        )
    return cast("XMatch", value)


def _reason(criterion: Criterion, headers: FieldTable) -> str:
    """Say why one header is not as wanted; "" if it is."""
    name, wanted = criterion.name, criterion.value
    if name not in headers:
        value = "any value" if wanted is None else repr(wanted)
        return f"header {name!r} is missing, the binding wants {value}"
    if criterion.accepts(headers[name]):
        return ""
    return f"header {name!r} is {headers[name]!r}, the binding wants {wanted!r}"
