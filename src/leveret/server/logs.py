"""Structured logs: each entry a sentence and fields, printed as text or as a line of JSON."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from typing import TextIO

    LogFormat: TypeAlias = Literal["text", "json"]

__all__ = ["configure_logs", "log", "tell"]

log = logging.getLogger("leveret.server")
# Without a handler of the program's own, nothing is printed on its stderr.
log.addHandler(logging.NullHandler())


def tell(level: int, event: str, /, **fields: object) -> None:
    """Log an event with its fields; one that is None is left out."""
    if log.isEnabledFor(level):
        kept = {name: value for name, value in fields.items() if value is not None}
        log.log(level, event, extra={"fields": kept})


def configure_logs(form: LogFormat, level: str, stream: TextIO) -> None:
    """Print entries of at least `level` ("debug", "info", …) to a stream."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_JSONFormatter() if form == "json" else _TextFormatter())
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(level.upper())


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    fields: dict[str, Any] = getattr(record, "fields", {})
    return fields


class _TextFormatter(logging.Formatter):
    """`time level event name=value …`; a value with spaces is quoted."""

    def format(self, record: logging.LogRecord) -> str:
        pairs = "".join(
            f" {name}={_written(str(value))}" for name, value in _fields(record).items()
        )
        text = f"{_time(record)} {record.levelname.lower()} {record.getMessage()}{pairs}"
        return text + _trace(self, record)


class _JSONFormatter(logging.Formatter):
    """One JSON object a line: `time`, `level`, `event`, and the fields."""

    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
        } | _fields(record)
        if trace := _trace(self, record):
            entry["trace"] = trace.strip()
        return json.dumps(entry, ensure_ascii=False, default=str)


def _trace(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    return f"\n{formatter.formatException(record.exc_info)}" if record.exc_info else ""


def _written(value: str) -> str:
    if value and value.isprintable() and not set(value) & set(' "='):
        return value
    return json.dumps(value, ensure_ascii=False)
