"""The JSON text of RabbitMQ's definitions, read and checked for its shape."""

from __future__ import annotations

import json
from typing import Any

from leveret.config.definitions import (
    SECTIONS,
    Definitions,
    Identity,
    Object,
    canonical_json,
    default_of,
    identity_of,
)
from leveret.config.source import Source, quoted

__all__ = ["parse_definitions"]

_MAX_DEPTH = 40
_WHOLE = "Export the definitions again, whole."


def parse_definitions(text: str | bytes, file: str = "<text>") -> Definitions:
    """Return definitions read from JSON.

    Raises:
        TopologyError: the text is not JSON, or not definitions; the fault has its place.

    """
    source = Source(file, "")
    try:
        source.text = text if isinstance(text, str) else text.decode("utf-8-sig")
        value = json.loads(source.text.removeprefix("\ufeff"), parse_constant=_no_constant)
        source.text.encode()
    except json.JSONDecodeError as error:
        source.report(error.lineno - 1, error.colno - 1, f"this is not JSON: {error.msg}", _WHOLE)
        raise source.stop() from None
    except UnicodeError:
        source.report(0, 0, "the file is not in UTF-8", "Save it in UTF-8.")
        raise source.stop() from None
    except (ValueError, RecursionError) as error:
        source.report(0, 0, f"this is no JSON that RabbitMQ would write: {error}", _WHOLE)
        raise source.stop() from None
    _check_shape(source, value)
    if source.faults:
        raise source.stop()
    return value  # type: ignore[no-any-return]


def _no_constant(name: str) -> None:
    raise ValueError(f"it holds {name}")


def _check_shape(source: Source, value: Any) -> None:
    if not isinstance(value, dict):
        source.report(
            0, 0, "definitions are a JSON object of sections", 'Begin with {"queues": […]}.'
        )
        return
    if bad := _unfit(value, 0):
        source.report(0, 0, f"definitions cannot hold {bad}", _WHOLE)
    for section, form in SECTIONS.items():
        items = value.get(section, [])
        if not isinstance(items, list):
            source.report(0, 0, f"'{section}' is not a list", "Make it a list of objects.")
            continue
        for number, item in enumerate(items, 1):
            missing = [name for name in form.key if not _has(section, name, item)]
            if missing:
                source.report(
                    0,
                    0,
                    f"{form.singular} {number} has no '{missing[0]}'",
                    f"Each object of '{section}' needs {', '.join(form.key)}.",
                )
    if not source.faults:
        _check_twice(source, value)


def _has(section: str, name: str, item: Any) -> bool:
    if not isinstance(item, dict):
        return False
    value = item.get(name, default_of(section, name, item))
    if name == "arguments":  # some versions of RabbitMQ write an empty table as []
        return isinstance(value, dict) or value == []
    return isinstance(value, str)


def _check_twice(source: Source, value: Definitions) -> None:
    for section, form in SECTIONS.items():
        seen: dict[Identity, Object] = {}
        for item in value.get(section, []):
            identity = identity_of(section, item)
            first = seen.setdefault(identity, item)
            if first is not item and canonical_json(first) != canonical_json(item):
                what = f"{form.singular} {quoted(' '.join(filter(None, identity)))}"
                source.report(0, 0, f"{what} is there twice, differently", "Keep one of the two.")


def _unfit(value: Any, depth: int) -> str:
    """Return what in a JSON value YAML and AMQP could not carry, or ""."""
    if isinstance(value, str):
        return "" if value.isascii() or not _has_surrogate(value) else "half a surrogate pair"
    if isinstance(value, dict | list):
        if depth > _MAX_DEPTH:
            return f"lists and objects more than {_MAX_DEPTH} deep"
        keys: list[Any] = list(value) if isinstance(value, dict) else []
        children = value.values() if isinstance(value, dict) else value
        return next((bad for part in (*keys, *children) if (bad := _unfit(part, depth + 1))), "")
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return "a number beyond 64 bits"
    return "a number beyond 64 bits" if value in (float("inf"), float("-inf")) else ""


def _has_surrogate(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)
