"""One line of JSON, read so that every fault knows its column."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["JSONLineError", "key_offset", "parse_object", "value_offset"]

_SPACE = re.compile(r"[ \t\r\n]*")
_STRING_OR_CONSTANT = re.compile(r'"(?:\\.|[^"\\])*"|(?P<constant>NaN|-?Infinity)')
_DECODER = json.JSONDecoder()


class JSONLineError(ValueError):
    """A line that is no JSON object: what is wrong, at which offset, and what to do."""

    def __init__(self, message: str, offset: int, remedy: str) -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset
        self.remedy = remedy


def parse_object(text: str) -> dict[str, object]:
    """Return the JSON object that `text` holds.

    Raises:
        JSONLineError: it is not JSON, not an object, or one object names a member twice.

    """
    try:
        document = json.loads(text, object_pairs_hook=_members_once, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        message = f"not JSON: {error.msg[:1].lower()}{error.msg[1:]}"
        raise JSONLineError(message, error.pos, "Write one JSON object on the line.") from None
    except _Twice as twice:
        raise JSONLineError(
            f"'{twice.name}' stands twice in one object",
            _last_key_offset(text, twice.name),
            "Keep one of the two.",
        ) from None
    except _Constant as constant:
        raise JSONLineError(
            f"{constant.name} is not JSON", _constant_offset(text), "Write a number or null."
        ) from None
    except RecursionError:
        raise JSONLineError("nested too deep", 0, "Flatten the message.") from None
    except ValueError as error:  # Python's own limit on the digits of an integer
        raise JSONLineError(f"not readable: {error}", 0, "Shorten the number.") from None
    if not isinstance(document, dict):
        raise JSONLineError(
            "a message must be a JSON object",
            _skip_space(text, 0),
            'Write {"exchange": "…", "routing_key": "…", "body": "…"}.',
        )
    return document


def value_offset(text: str, path: Sequence[str]) -> int:
    """Return where the value at `path` begins in valid JSON; of an unknown part, its parent."""
    offset = _skip_space(text, 0)
    for name in path:
        if text[offset] != "{" or name not in (members := _members(text, offset)):
            break
        offset = members[name][1]
    return offset


def key_offset(text: str, path: Sequence[str]) -> int:
    """Return where the name of the member at `path` begins in valid JSON."""
    offset = value_offset(text, path[:-1])
    if text[offset] != "{":
        return offset
    return _members(text, offset).get(path[-1], (offset, offset))[0]


class _Twice(Exception):
    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


class _Constant(Exception):
    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def _members_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) < len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise _Twice(name)
            seen.add(name)
    return members


def _refuse(name: str) -> NoReturn:
    raise _Constant(name)


def _skip_space(text: str, offset: int) -> int:
    match = _SPACE.match(text, offset)
    assert match is not None
    return match.end()


def _members(text: str, offset: int) -> dict[str, tuple[int, int]]:
    """Return name -> (offset of the name, offset of the value) of the object at `offset`."""
    members: dict[str, tuple[int, int]] = {}
    offset = _skip_space(text, offset + 1)
    while text[offset] != "}":
        key_at = offset
        name, offset = _DECODER.raw_decode(text, offset)
        offset = _skip_space(text, _skip_space(text, offset) + 1)
        members[name] = (key_at, offset)
        _, offset = _DECODER.raw_decode(text, offset)
        offset = _skip_space(text, offset)
        if text[offset] == ",":
            offset = _skip_space(text, offset + 1)
    return members


def _last_key_offset(text: str, name: str) -> int:
    return max(text.rfind(json.dumps(name, ensure_ascii=False)), 0)


def _constant_offset(text: str) -> int:
    for match in _STRING_OR_CONSTANT.finditer(text):
        if match["constant"]:
            return match.start()
    return 0
