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
    from collections.abc import Iterator
    from pathlib import Path
    from typing import TextIO

    from aiormq.abc import DeliveredMessage

__all__ = ["message_line", "opened_output"]

# our name of a property -> pamqp's, where it is another one
_PAMQP_NAMES = {"type": "message_type"}


def message_line(message: DeliveredMessage) -> str:
    """Return a message as one JSON object: what a line of a messages file has.

    A body that is not UTF-8 is given as `body_base64`, which such a file cannot have.
    """
    document: dict[str, Any] = {
        "exchange": message.exchange or "",
        "routing_key": message.routing_key or "",
    }
    written = message.header.properties
    if written.headers:
        document["headers"] = written.headers
    values = {name: getattr(written, _PAMQP_NAMES.get(name, name)) for name in PROPERTY_NAMES}
    properties = {name: value for name, value in values.items() if value not in (None, "")}
    if properties:
        document["properties"] = properties
    try:
        document["body"] = message.body.decode()
    except UnicodeDecodeError:
        document["body_base64"] = base64.b64encode(message.body).decode()
    return json.dumps(document, ensure_ascii=False, default=_plain)


def _plain(value: object) -> object:
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
