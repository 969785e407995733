"""A message of the outbox, as its publisher gets it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import frozen

from leveret.deduplication import DEFAULT_HEADER

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["OutboxMessage"]


@frozen
class OutboxMessage:
    """A message to publish. `row` is its place in the outbox, `attempts` how many failed."""

    row: int
    message_id: str
    key: str | None
    exchange: str
    routing_key: str
    body: bytes
    content_type: str | None
    headers: dict[str, Any]
    attempts: int

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> OutboxMessage:
        """Return the message of a row of the table."""
        return cls(
            row["id"],
            row["message_id"],
            row["key"],
            row["exchange"],
            row["routing_key"],
            bytes(row["body"]),
            row["content_type"],
            {DEFAULT_HEADER: row["message_id"], **row["headers"]},
            row["attempts"],
        )
