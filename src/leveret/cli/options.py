"""Options that several commands take: the headers and properties of a message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from leveret.cli.fields import (
    INTEGER_PROPERTIES,
    FieldFault,
    header_faults,
    header_value,
    property_fault,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from leveret.properties import FieldValue

__all__ = ["refuse", "with_message_options", "written_headers", "written_properties"]


def with_message_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options --header and --property, as tuples `headers` and `properties`."""
    header = click.option(
        "--header",
        "headers",
        metavar="NAME=VALUE",
        multiple=True,
        help="A header; the value is read as YAML: total=5 is a number, total=\"'5'\" is text.",
    )
    property_ = click.option(
        "--property",
        "properties",
        metavar="NAME=VALUE",
        multiple=True,
        help="A property, such as priority=5 or message_id=a7.",
    )
    return header(property_(command))


def written_headers(pairs: tuple[str, ...]) -> dict[str, FieldValue] | None:
    """Return the headers that --header options write; a bad one is a mistake in the command."""
    headers: dict[str, FieldValue] = {}
    for name, text in _split(pairs, "--header"):
        try:
            headers[name] = header_value(text)
        except ValueError as error:
            raise click.BadParameter(f"{name}: {error}", param_hint="--header") from None
    for fault in header_faults(("headers",), headers):
        refuse(fault)
    return headers or None


def written_properties(pairs: tuple[str, ...]) -> dict[str, int | str]:
    """Return the properties that --property options write."""
    properties: dict[str, int | str] = {}
    for name, text in _split(pairs, "--property"):
        value: int | str = text
        if name in INTEGER_PROPERTIES and text.lstrip("-").isdecimal():
            value = int(text)
        refuse(property_fault((name,), value))
        properties[name] = value
    return properties


def _split(pairs: tuple[str, ...], option: str) -> list[tuple[str, str]]:
    split = [pair.partition("=") for pair in pairs]
    for pair, (name, equals, _) in zip(pairs, split, strict=True):
        if not name or not equals:
            raise click.BadParameter(f"'{pair}' is not NAME=VALUE", param_hint=option)
    return [(name, value) for name, _, value in split]


def refuse(fault: FieldFault | None) -> None:
    """End the command over a fault in what it was given."""
    if fault is not None:
        raise click.UsageError(f"{fault.message}: {fault.remedy}")
