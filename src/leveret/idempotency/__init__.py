"""Effects that happen once: which messages were handled, remembered where a worker looks.

Two ways, which differ in what a crash between the effect and the record does:

- `worker(..., idempotency=SQLiteSeen("seen.db"))` remembers a message once its handler is through,
  and before it is acknowledged. A crash right between repeats the effect.
- `once(delivery, connection)` writes the record in the transaction that the effect is written in:
  both are there, or neither, through any crash.
"""

from leveret.idempotency.seen import (
    Idempotency,
    MemorySeen,
    NoIdentityError,
    Seen,
    SQLiteSeen,
    State,
)
from leveret.idempotency.transactions import TABLE, forget_expired, once

__all__ = [
    "TABLE",
    "Idempotency",
    "MemorySeen",
    "NoIdentityError",
    "SQLiteSeen",
    "Seen",
    "State",
    "forget_expired",
    "once",
]
