"""What decides the partition of a message, as it is written: `header user_id`, `routing_key`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

from attrs import frozen

from leveret.exchanges.consistent_hash import HASH_PROPERTIES

if TYPE_CHECKING:
    from leveret.properties import FieldValue

__all__ = ["KEY_PATTERN", "HashedPart", "parse_hashed_part"]

KEY_PATTERN = rf"^ *(?:routing_key|header +[^ ].*|property +(?:{'|'.join(HASH_PROPERTIES)})) *$"

_KEY = re.compile(KEY_PATTERN)


@frozen
class HashedPart:
    """The part of a message that is hashed; messages alike in it stay in order."""

    kind: Literal["routing_key", "header", "property"]
    name: str = ""

    @property
    def arguments(self) -> dict[str, FieldValue]:
        """The arguments of a consistent-hash exchange that hashes this part."""
        return {} if self.kind == "routing_key" else {f"hash-{self.kind}": self.name}


def parse_hashed_part(text: str) -> HashedPart | None:
    """Return what a text says is hashed; None if it says nothing that can be.

    >>> parse_hashed_part("header user_id").arguments
    {'hash-header': 'user_id'}
    """
    if not _KEY.match(text):
        return None
    kind, _, name = text.strip().partition(" ")
    return HashedPart(kind, name.strip())  # type: ignore[arg-type] # the pattern says which
