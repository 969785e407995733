"""JSON Schemas are compiled once, checked themselves, and never fetched from anywhere."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from leveret.json_schema import BadSchemaError, compile_schema

if TYPE_CHECKING:
    from pathlib import Path

ORDER = {
    "required": ["id"],
    "properties": {
        "id": {"type": "integer"},
        "items": {"items": {"$ref": "#/$defs/item"}},
    },
    "$defs": {"item": {"properties": {"price": {"minimum": 0}}}},
}


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ({"id": 1, "items": [{"price": 2}]}, None),
        ({"id": 1, "items": [{}, {}, {"price": -1}]}, "$.items[2].price: -1 is less than the"),
        ({"id": "x"}, "$.id: 'x' is not of type 'integer'"),
        ({}, "$: 'id' is a required property"),
        ({"id": "x" * 1000}, "$.id: 'x"),
    ],
)
def test_the_path_leads_to_the_fault(value: Any, fault: str | None) -> None:
    found = compile_schema(ORDER).fault(value)
    if fault is None:
        assert found is None
    else:
        assert found is not None
        assert found.startswith(fault)
        assert len(found) < 300


@pytest.mark.parametrize(
    ("schema", "message", "path"),
    [
        ({"type": "ordr"}, "'ordr' is not valid under any of the given schemas", ("type",)),
        ({"properties": {"a": {"minimum": "x"}}}, "$.properties.a.minimum: 'x' is not of type", ()),
        ({"$ref": "#/$defs/none"}, "its '$ref' '#/$defs/none' leads to nothing", ("$ref",)),
        ({"items": [{"$ref": "b.json"}]}, "'b.json' leads to nothing", ()),
        ({"$ref": "https://example.org/a.json"}, "leads to nothing", ()),
        ({"$schema": "https://example.org/none"}, "is no dialect that is known", ("$schema",)),
        ([], "[] is not of type 'object', 'boolean'", ()),
    ],
)
def test_what_is_no_schema_is_refused(
    schema: Any, message: str, path: tuple[str | int, ...]
) -> None:
    if isinstance(schema, dict) and "items" in schema:
        schema = {"$schema": "http://json-schema.org/draft-07/schema#", **schema}
    with pytest.raises(BadSchemaError) as caught:
        compile_schema(schema)
    assert message in str(caught.value)
    assert caught.value.path[: len(path)] == path


@pytest.mark.parametrize(
    "dialect",
    [
        "http://json-schema.org/draft-04/schema#",
        "http://json-schema.org/draft-07/schema",
        "https://json-schema.org/draft/2019-09/schema",
        "https://json-schema.org/draft/2020-12/schema",
    ],
)
def test_every_dialect_finds_its_references(dialect: str) -> None:
    schema = {"$schema": dialect, "definitions": {"n": {"type": "integer"}}}
    compiled = compile_schema({**schema, "properties": {"a": {"$ref": "#/definitions/n"}}})
    assert compiled.fault({"a": 1}) is None
    assert compiled.fault({"a": "x"}) == "$.a: 'x' is not of type 'integer'"


def test_a_reference_leads_to_a_file_beside_it(tmp_path: Path) -> None:
    (tmp_path / "item.json").write_text(json.dumps({"minimum": 0}), encoding="utf-8")
    (tmp_path / "broken.json").write_text("{", encoding="utf-8")
    path = str(tmp_path / "order.json")
    compiled = compile_schema({"items": {"$ref": "item.json"}}, path)
    assert compiled.fault([1, -1]) == "$[1]: -1 is less than the minimum of 0"
    for name in ("none.json", "broken.json", "item.json#/none"):
        with pytest.raises(BadSchemaError, match="leads to nothing"):
            compile_schema({"items": {"$ref": name}}, path)
