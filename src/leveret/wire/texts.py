"""The words in which RabbitMQ reports what it does not take."""

from __future__ import annotations

__all__ = ["as_octets", "describe_frame", "short_text"]


def describe_frame(kind: int, payload: bytes) -> str:
    """Return what RabbitMQ says of a frame that it does not take."""
    shown = "all" if len(payload) <= 16 else "first 16"
    return f"type {kind}, {shown} octets = {_as_printed(payload[:16])}"


def _as_printed(data: bytes) -> str:
    """Return bytes as Erlang prints them: text where all of it is printable."""
    if data and all(32 <= byte < 127 for byte in data):
        text = data.decode("ascii").replace("\\", "\\\\").replace('"', '\\"')
        return f'<<"{text}">>'
    return as_octets(data)


def as_octets(data: bytes) -> str:
    """Return bytes as Erlang writes them, number by number."""
    return f"<<{','.join(map(str, data))}>>"


def short_text(text: str) -> str:
    """Return a text cut to what a short string holds, as RabbitMQ cuts its own (255 bytes)."""
    data = text.encode("utf-8", "surrogateescape")
    if len(data) <= 255:
        return text
    return data[:252].decode("utf-8", "ignore") + "..."
