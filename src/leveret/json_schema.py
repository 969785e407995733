"""One JSON Schema, compiled once: what is wrong with a value, and where.

The library is jsonschema (extra `schemas`), imported when the first schema is compiled. Nothing is
ever fetched: a `$ref` leads to a place in the same schema, or to a file beside it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from attrs import field, frozen

if TYPE_CHECKING:
    from collections.abc import Iterator

    from referencing import Registry, Resource

__all__ = ["BadSchemaError", "CompiledSchema", "compile_schema"]

#: A value that stands in a message is clipped to this length: it may be the whole body.
MAX_VALUE_SHOWN = 120

#: Schema files are written by people; what is larger is something else.
MAX_SCHEMA_BYTES = 4 * 2**20


class BadSchemaError(ValueError):
    """It is no JSON Schema; `path` leads to the fault, key by key."""

    def __init__(self, message: str, path: tuple[str | int, ...] = ()) -> None:
        super().__init__(message)
        self.path = path


@frozen(eq=False)
class CompiledSchema:
    """A schema that values can be held against."""

    document: Any
    _validator: Any = field(repr=False)

    def fault(self, value: Any) -> str | None:
        """Return where a value violates the schema, and how; None if it does not.

        >>> compile_schema({"properties": {"n": {"minimum": 0}}}).fault({"n": -1})
        '$.n: -1 is less than the minimum of 0'
        """
        from jsonschema.exceptions import best_match

        error = best_match(self._validator.iter_errors(value))
        return None if error is None else f"{error.json_path}: {_clipped(error)}"


def compile_schema(document: Any, path: str | None = None) -> CompiledSchema:
    """Compile a schema, made of JSON's own types; `path` is the file that it stands in.

    Its dialect is that of `$schema`; draft 2020-12 if it names none.

    Raises:
        BadSchemaError: it is no schema, or refers to what is not there.
        ModuleNotFoundError: jsonschema is not installed.

    """
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError
    from jsonschema.validators import validator_for
    from referencing import Registry, Resource
    from referencing.exceptions import NoSuchResource, Unresolvable
    from referencing.jsonschema import DRAFT202012

    wanted = document.get("$schema") if isinstance(document, dict) else None
    dialect = validator_for(document, default=Draft202012Validator)
    if wanted and dialect.META_SCHEMA["$schema"].rstrip("#") != str(wanted).rstrip("#"):
        raise BadSchemaError(f"its '$schema' {wanted!r} is no dialect that is known", ("$schema",))
    try:
        dialect.check_schema(document)
    except SchemaError as error:
        raise BadSchemaError(f"{error.json_path}: {_clipped(error)}", tuple(error.path)) from None
    folder = Path(path or "schema").absolute().parent

    def retrieve(uri: str) -> Resource[Any]:
        parts = urlsplit(uri)
        if parts.scheme not in ("", "file") or parts.netloc:
            raise NoSuchResource(uri)
        try:
            found = read_schema(str(folder / unquote(parts.path)))
        except (OSError, BadSchemaError) as error:
            raise NoSuchResource(uri) from error
        return Resource.from_contents(found, default_specification=DRAFT202012)

    registry: Registry[Any] = Registry(retrieve=retrieve)  # type: ignore[call-arg]
    root = Resource.from_contents(document, default_specification=DRAFT202012)
    resolver = registry.resolver_with_root(root)
    for reference, place in _references(document):
        try:
            resolver.lookup(reference)
        except Unresolvable:
            raise BadSchemaError(
                f"its '$ref' {reference!r} leads to nothing: only the same file, and files"
                " beside it, are looked into",
                place,
            ) from None
    return CompiledSchema(document, dialect(document, registry=registry))


def read_schema(path: str) -> Any:
    """Return what a file of JSON says.

    Raises:
        BadSchemaError: it is no JSON.
        OSError: it cannot be read.

    """
    with open(path, "rb") as stream:
        data = stream.read(MAX_SCHEMA_BYTES + 1)
    if len(data) > MAX_SCHEMA_BYTES:
        raise BadSchemaError(f"it is larger than {MAX_SCHEMA_BYTES // 2**20} MiB")
    try:
        return json.loads(data)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise BadSchemaError(f"it is no JSON: {error.msg} in {where}") from None
    except (ValueError, RecursionError):
        raise BadSchemaError("it is no JSON in UTF-8") from None


def _references(document: Any) -> Iterator[tuple[str, tuple[str | int, ...]]]:
    """Yield the references of a schema that has no bases of its own, each with its place."""
    work: list[tuple[Any, tuple[str | int, ...]]] = [(document, ())]
    while work:
        part, place = work.pop()
        if isinstance(part, dict):
            if "$id" in part:
                continue  # references count from there; they are tried when they are met
            if isinstance(part.get("$ref"), str):
                yield part["$ref"], (*place, "$ref")
            work += [(inner, (*place, key)) for key, inner in part.items()]
        elif isinstance(part, list):
            work += [(inner, (*place, index)) for index, inner in enumerate(part)]


def _clipped(error: Any) -> str:
    """Return an error's text, with the value that it begins with clipped."""
    text: str = error.message
    value = repr(error.instance)
    if len(value) > MAX_VALUE_SHOWN and text.startswith(value):
        text = value[:MAX_VALUE_SHOWN] + "…" + text[len(value) :]
    return text if len(text) <= 2 * MAX_VALUE_SHOWN else text[: 2 * MAX_VALUE_SHOWN] + "…"
