"""A service that reports each day's sales, with Celery on quorum queues.

With quorum queues Celery leaves delays to the broker: a task with a countdown waits in a chain of
queues whose messages expire into the next, and so does a task that is tried again.
"""

from __future__ import annotations

from typing import Any

from celery import Celery, Task, chord

RETRY_AFTER_S = 60

app = Celery("reports", set_as_current=False)
app.conf.update(
    broker_connection_retry_on_startup=True,
    broker_transport_options={"confirm_publish": True},
    result_backend="cache+memory://",
    task_acks_late=True,
    task_default_exchange_type="topic",  # delays need it
    task_default_queue="reports",
    task_default_queue_type="quorum",
    worker_detect_quorum_queues=True,
)


class Shops:
    """Asks the tills of shops for their sales; a test puts something else in its place."""

    def sales(self, shop: str) -> int:
        """Return a shop's sales of the day, in euros.

        Raises:
            ConnectionError: the till does not answer.

        """
        raise ConnectionError(f"{shop}: no till at this address")


shops: Any = Shops()


@app.task(bind=True, max_retries=3)
def ask(self: Task, shop: str) -> int:
    """Return a shop's sales; a till that does not answer is asked again a minute later."""
    try:
        sales: int = shops.sales(shop)
    except ConnectionError as error:
        raise self.retry(exc=error, countdown=RETRY_AFTER_S) from None
    return sales


@app.task
def total(sales: list[int]) -> int:
    """Return the sales of all shops."""
    return sum(sales)


def report(names: list[str], in_s: int | None = None) -> Any:
    """Ask all shops, now or in so many seconds, and add up; return the result to come."""
    return chord(ask.s(name).set(countdown=in_s) for name in names)(total.s())
