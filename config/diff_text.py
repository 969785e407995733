"""A difference as text: by virtual host, what is done to each object and what it costs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leveret.config.diff import Action, Change, Difference, SuggestedPolicy

__all__ = ["MARKS", "difference_text"]

#: Action -> the mark before an object.
MARKS: dict[Action, str] = {
    "create": "+",
    "update": "~",
    "recreate": "!",
    "replace": "±",
    "extra": "-",
}
_WORDS: dict[Action, str] = {
    "create": "to create",
    "update": "to update in place",
    "recreate": "to recreate",
    "replace": "to replace",
    "extra": "extra",
}
#: More bindings than this are counted and not named.
_MAX_BINDINGS = 5


def difference_text(difference: Difference) -> str:
    """Return a difference as lines, without the last line's break."""
    if not difference:
        return f"no difference: {difference.present} is as {difference.wanted} wants it"
    return "\n".join(_lines(difference))


def _lines(difference: Difference) -> Iterator[str]:
    yield f"what makes {difference.present} into {difference.wanted}:"
    for host in _hosts(difference):
        yield ""
        yield "the whole broker" if host is None else f"virtual host {host}"
        for change in difference.changes:
            if change.virtual_host == host:
                yield from _change(change)
    yield ""
    counts = difference.counts().items()
    yield ", ".join(f"{number:,} {_WORDS[action]}" for action, number in counts if number)


def _hosts(difference: Difference) -> list[str | None]:
    named = dict.fromkeys(change.virtual_host for change in difference.changes)
    return sorted(named, key=lambda host: (host is not None, host != "/", host or ""))


def _change(change: Change) -> Iterator[str]:
    yield f"  {MARKS[change.action]} {change.action} {change.kind} {_shown(change.name)}"
    for aspect in change.differences:
        yield f"      {aspect.name}: {_value(aspect.present)} → {_value(aspect.wanted)}"
    for number, cost in enumerate(change.costs):
        yield f"      {'costs' if number == 0 else '     '} {cost}"
    for binding in change.bindings_lost[:_MAX_BINDINGS]:
        yield f"              {_shown(binding)}"
    if (more := len(change.bindings_lost) - _MAX_BINDINGS) > 0:
        yield f"              and {more:,} more"
    if change.policy is not None:
        yield from _policy(change.policy)


def _policy(policy: SuggestedPolicy) -> Iterator[str]:
    if policy.suffices:
        yield "      instead, and without any loss, set a policy:"
    else:
        yield "      a policy in place of the argument would have avoided this:"
    definition = json.dumps(policy.definition, ensure_ascii=False)
    yield (
        f"        {_shown(policy.name)}: {{pattern: {json.dumps(policy.pattern)}, "
        f"apply_to: {policy.apply_to}, priority: {policy.priority}, definition: {definition}}}"
    )


def _value(value: Any) -> str:
    if value is None:
        return "(none)"
    return _shown(value if isinstance(value, str) and value else json.dumps(value))


def _shown(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
