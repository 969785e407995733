"""`schemas` of an exchange or queue: read from their files, checked, and given their names."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Protocol

from leveret.config.findings import MISSING
from leveret.config.model import VERSION_HEADER, MessageSchema, MessageSchemas, UnknownSchema
from leveret.config.nodes import ListNode, MapNode, Node, ScalarNode
from leveret.config.reading import why_unreadable
from leveret.config.source import quoted
from leveret.json_schema import BadSchemaError, compile_schema, read_schema

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from leveret.config.entries import SchemaEntry

__all__ = ["message_schemas"]


class _Layer(Protocol):
    """What an exchange or queue says of schemas, or all of them share."""

    @property
    def schemas(self) -> list[SchemaEntry] | None: ...
    @property
    def schema_header(self) -> str | None: ...
    @property
    def unknown_schema(self) -> UnknownSchema | None: ...


def message_schemas(layers: Iterable[_Layer]) -> MessageSchemas | None:
    """Return the schemas that layers come to, the later first; None without any."""
    entries: Sequence[SchemaEntry] | None = None
    header, unknown = VERSION_HEADER, "accept"
    for layer in layers:
        entries = entries if layer.schemas is None else layer.schemas
        header = layer.schema_header or header
        unknown = layer.unknown_schema or unknown
    if not entries:
        return None
    made = [schema for entry in entries if (schema := _schema(entry)) is not None]
    return MessageSchemas(tuple(made), header, unknown)  # type: ignore[arg-type] # a choice


def _schema(entry: SchemaEntry) -> MessageSchema | None:
    node, path = entry.nodes.get("schema"), None
    document: Any = entry.schema
    if node is None or document is None:
        return None
    if isinstance(document, str):
        path = os.path.normpath(os.path.join(os.path.dirname(node.source.file), document))
        try:
            document = read_schema(path)
        except OSError as error:
            node.fault(
                f"the schema {quoted(path)} {why_unreadable(error)}",
                f"Paths are relative to the file that names them, {quoted(node.source.file)}.",
                MISSING,
            )
            return None
        except BadSchemaError as error:
            node.fault(f"the schema {quoted(path)} cannot be used: {error}", "Correct that file.")
            return None
    try:
        compile_schema(document, path)
    except BadSchemaError as error:
        if path is None:
            _at(node, error.path).fault(f"this is no JSON Schema: {error}", "Correct the schema.")
        else:
            node.fault(f"the schema {quoted(path)} cannot be used: {error}", "Correct that file.")
        return None
    except ModuleNotFoundError:
        node.fault(
            "JSON Schemas need the package jsonschema, which is not installed",
            "Install the extra: pip install 'leveret[schemas]'.",
        )
        return None
    return MessageSchema(
        _name(document, path, entry.content_type),
        document,
        entry.content_type,
        entry.version,
        entry.enforce is not False,
        path,
        entry.node.position,
    )


def _name(document: Any, path: str | None, content_type: str | None) -> str:
    """Return what messages call a schema."""
    title = document.get("title") if isinstance(document, dict) else None
    if isinstance(title, str) and title:
        return title
    return os.path.basename(path).removesuffix(".json") if path else content_type or "inline"


def _at(node: Node, path: Iterable[str | int]) -> Node:
    """Return the node of a part of an inline schema, as near as it can be found."""
    for step in path:
        found: Node | None = None
        if isinstance(node, MapNode):
            found = next((value for key, value in node.pairs if key.text == step), None)
        elif isinstance(node, ListNode) and isinstance(step, int) and step < len(node.items):
            found = node.items[step]
        if found is None:
            return node
        node = found
        if isinstance(node, ScalarNode):
            return node
    return node
