"""Messages that came from a broker, written as lines that `leveret publish` and `run` read."""

from __future__ import annotations

import base64
import contextlib
import datetime
import json
import sys
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from leveret.cli.fields import PROPERTY_NAMES
from leveret.cli.output import CannotWrite

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from typing import TextIO

    from aiormq.abc import DeliveredMessage

    from leveret.queues import AnyMessage

__all__ = ["message_line", "opened_output", "plain", "stored_line"]

# our name of a property -> pamqp's, where it is another one
_PAMQP_NAMES = {"type": "message_type"}


def message_line(message: DeliveredMessage) -> str:
    """Return a message as one JSON object: what a line of a messages file has.

    A body that is not UTF-8 is given as `body_base64`, which such a file cannot have.
    """
    written = message.header.properties
    return _line(
        message.exchange or "",
        message.routing_key or "",
        written.headers,
        {name: getattr(written, _PAMQP_NAMES.get(name, name)) for name in PROPERTY_NAMES},
        message.body,
    )


def stored_line(message: AnyMessage) -> str:
    """Return a message of a data directory in the same form."""
    written = message.properties
    return _line(
        message.exchange,
        message.routing_key,
        written.headers,
        {name: getattr(written, name) for name in PROPERTY_NAMES},
        message.body,
    )


def _line(
    exchange: str,
    routing_key: str,
    headers: Mapping[str, object] | None,
    values: Mapping[str, object],
    body: bytes,
) -> str:
    document: dict[str, Any] = {"exchange": exchange, "routing_key": routing_key}
    if headers:
        document["headers"] = headers
    properties = {name: value for name, value in values.items() if value not in (None, "")}
    if properties:
        document["properties"] = properties
    try:
        document["body"] = body.decode()
    except UnicodeDecodeError:
        document["body_base64"] = base64.b64encode(body).decode()
    return json.dumps(document, ensure_ascii=False, default=plain)


def plain(value: object) -> object:
    """Return what JSON can say of a value that it does not know."""
    match value:
        case datetime.datetime():
            return int(value.timestamp())
        case Decimal():
            return float(value)
        case bytes() | bytearray():
            return base64.b64encode(value).decode()
        case _:
            return str(value)


@contextlib.contextmanager
def opened_output(file: Path | None) -> Iterator[TextIO]:
    """Yield where lines are written: a file, or stdout where there is none.

    Raises:
        CannotWrite: the system would not let the file be written.

    """
    if file is None:
        yield sys.stdout
        return
    try:
        stream = file.open("w", encoding="utf-8")
    except OSError as error:
        raise CannotWrite(file, error) from error
    with stream:
        yield stream
