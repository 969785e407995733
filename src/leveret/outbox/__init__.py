"""A transactional outbox for SQLAlchemy: messages are written with what they tell of, and relayed.

```
session.add(order); outbox.add(session, …); commit ─► table ─► relay ─► broker ─► deleted
```

A message is there if its transaction committed, and it is published until the broker confirms it:
at least once, with one message id. What dies between a confirm and its note publishes again: a
deduplicating exchange or an idempotent consumer drops that. Messages of one key are published in
the order of their rows, also by several relays.

Needs SQLAlchemy: `pip install leveret[outbox]`.
"""

from leveret.outbox.publishers import Publish, PublishAsync, Publisher, pika_publish
from leveret.outbox.relay import Relay
from leveret.outbox.relay_task import RelayTask
from leveret.outbox.relaying import RelayStatistics
from leveret.outbox.rows import OutboxMessage
from leveret.outbox.table import Outbox

__all__ = [
    "Outbox",
    "OutboxMessage",
    "Publish",
    "PublishAsync",
    "Publisher",
    "Relay",
    "RelayStatistics",
    "RelayTask",
    "pika_publish",
]
