"""The JSON Schemas of an exchange or queue, held against the messages that are published to it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NoReturn

from attrs import define, field

from leveret.engine.validators import Violation
from leveret.json_schema import CompiledSchema, compile_schema

if TYPE_CHECKING:
    from leveret.config.model import MessageSchema, MessageSchemas
    from leveret.queues import AnyMessage

__all__ = ["SchemaValidator"]

#: Encodings of a body that are none, or plain text.
_READABLE = (None, "", "identity", "utf-8", "utf8")


@define(eq=False)
class SchemaValidator:
    """Finds the schema for a message by content type and version, and what violates it.

    The first schema that fits is the one: a message's content type is compared without its
    parameters, and the version is the text of a header.
    """

    schemas: MessageSchemas
    _compiled: list[tuple[MessageSchema, CompiledSchema]] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._compiled = [(one, compile_schema(one.document, one.path)) for one in self.schemas.of]

    def violation(self, message: AnyMessage) -> Violation | None:
        """Return what is wrong with a message, or None."""
        found = self._for(message)
        if found is None:
            return self._unknown(message)
        schema, compiled = found
        try:
            value = json.loads(message.body, parse_constant=_refuse_constant)
        except RecursionError:
            fault: str | None = "$: lists and maps are nested too deep"
        except ValueError as error:  # of JSON, or of UTF-8
            fault = f"$: the body is no JSON: {error}"
        else:
            fault = compiled.fault(value)
        if fault is None:
            return None
        return Violation(f"violates schema '{schema.name}' at {fault}", schema.enforce)

    def _for(self, message: AnyMessage) -> tuple[MessageSchema, CompiledSchema] | None:
        properties = message.properties
        if properties.content_encoding not in _READABLE:
            return None
        content_type, version = _media_type(properties.content_type), self._version(message)
        for schema, compiled in self._compiled:
            if schema.content_type is not None and _media_type(schema.content_type) != content_type:
                continue
            if schema.version is None or schema.version == version:
                return schema, compiled
        return None

    def _version(self, message: AnyMessage) -> str | None:
        headers = message.properties.headers
        found: Any = headers.get(self.schemas.version_header) if headers else None
        return None if found is None else str(found)

    def _unknown(self, message: AnyMessage) -> Violation | None:
        if self.schemas.unknown == "accept":
            return None
        properties, version = message.properties, self._version(message)
        kind = f"content type '{properties.content_type or ''}'"
        if properties.content_encoding not in _READABLE:
            kind += f" in encoding '{properties.content_encoding}'"
        header = f"{self.schemas.version_header} '{version or ''}'"
        refused = self.schemas.unknown == "refuse"
        return Violation(f"has no schema: none is for {kind} and {header}", refused)


def _media_type(text: str | None) -> str:
    return (text or "").partition(";")[0].strip().lower()


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number there")
