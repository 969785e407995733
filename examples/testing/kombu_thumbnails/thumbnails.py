"""A worker that makes thumbnails, with kombu.

Pictures come by way of a headers exchange: those that are images. What fails goes to a queue where
it waits for ten seconds, and twice as long each time, by its own expiration.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kombu import Connection, Exchange, Queue, binding
from kombu.mixins import ConsumerProducerMixin

if TYPE_CHECKING:
    from collections.abc import Callable

FIRST_WAIT_S = 10
LONGEST_WAIT_S = 40

uploads = Exchange("uploads", "headers")
images = Queue(
    "images",
    bindings=[
        binding(uploads, arguments={"x-match": "any", "format": kind}) for kind in ("png", "jpeg")
    ],
)
waiting = Queue(
    "images.waiting",
    queue_arguments={"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "images"},
)
given_up = Queue("images.given-up")


class ThumbnailWorker(ConsumerProducerMixin):
    """Makes a thumbnail of each picture; `resize` raises `OSError` where it cannot."""

    def __init__(self, url: str, resize: Callable[[str], None]) -> None:
        self.connection = Connection(url)
        self._resize = resize

    def get_consumers(self, Consumer: Any, channel: Any) -> list[Any]:
        """Return what is consumed, and declare it."""
        for queue in (waiting, given_up):
            queue(channel).declare()
        return [Consumer([images], callbacks=[self._on_picture], prefetch_count=1)]

    def _on_picture(self, body: dict[str, Any], message: Any) -> None:
        try:
            self._resize(body["path"])
        except OSError:
            self._try_later(body, message.headers)
        message.ack()

    def _try_later(self, body: dict[str, Any], headers: dict[str, Any]) -> None:
        wait_s = headers.get("next-wait", FIRST_WAIT_S)
        queue = waiting if wait_s <= LONGEST_WAIT_S else given_up
        self.producer.publish(
            body,
            routing_key=queue.name,
            expiration=wait_s if queue is waiting else None,
            headers={**headers, "next-wait": 2 * wait_s},
        )

    def stop(self) -> None:
        """Have `run` return; any thread may call this."""
        self.should_stop = True
