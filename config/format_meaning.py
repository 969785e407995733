"""What a tree says, whatever its layout: two trees are compared by it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from leveret.config.format_read import comments_of
from leveret.config.format_tree import Alias, Collection, Scalar
from leveret.config.nodes import ScalarNode
from leveret.config.resolve import scalar_value
from leveret.config.source import Source

if TYPE_CHECKING:
    from leveret.config.environment import Environment
    from leveret.config.format_tree import Document, Value

__all__ = ["meaning_of"]

#: Where a value stands that is asked for its meaning alone.
_NOWHERE = Source("", "")


def meaning_of(document: Document, environment: Environment) -> tuple[Any, Counter[str]]:
    """Return what a tree says, whatever the order of its sections, and how often each comment."""
    comments = Counter(map(environment.unmask, comments_of(document)))
    return _meaning(document.root, environment), comments


def _name(key: Value | None, environment: Environment) -> Any:
    """Return what a key says: it is a text, whether it stands in quotes or not."""
    if isinstance(key, Scalar) and not key.properties:
        return environment.unmask(key.text)
    return _meaning(key, environment)


def _meaning(value: Value | None, environment: Environment) -> Any:
    if isinstance(value, Collection):
        if not value.is_map:
            items: Any = [_meaning(item.value, environment) for item in value.items]
        else:
            items = {
                _name(item.key, environment): _meaning(item.value, environment)
                for item in value.items
            }
        return value.properties, items
    if isinstance(value, Scalar):
        text = environment.unmask(value.text)
        is_text = value.style != "" or "\n" in text
        if not is_text and not environment.is_masked(value.text):
            is_text = isinstance(scalar_value(ScalarNode(_NOWHERE, 0, 0, text, plain=True)), str)
        return value.properties, is_text, text
    return ("*", value.name) if isinstance(value, Alias) else None
