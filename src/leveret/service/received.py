"""A message that a face handed out: what it says, and its way back to the broker."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from attrs import define, field

from leveret.durations import milliseconds
from leveret.service.errors import DeliveryLostError

if TYPE_CHECKING:
    from leveret.durations import Duration
    from leveret.properties import FieldValue, Properties
    from leveret.queues import AnyMessage
    from leveret.service.consuming import Source

__all__ = ["ATTEMPT", "FIRST_FAILED_AT", "LAST_ERROR", "Received", "ReceivedMessage"]

#: The header that counts attempts: which one the message is on, from 1.
ATTEMPT = "x-attempt"
#: The header with the text of the error that the attempt before ended with.
LAST_ERROR = "x-last-error"
#: The header with the time of the first failure, in milliseconds since the Unix epoch.
FIRST_FAILED_AT = "x-first-failed-at"


@define(eq=False, repr=False)
class ReceivedMessage:
    """A message, read in the ways a handler wants it."""

    message: AnyMessage

    @property
    def body(self) -> bytes:
        """The body as it came."""
        return self.message.body

    @property
    def properties(self) -> Properties:
        """The properties, with what is absent as None."""
        return self.message.properties

    @property
    def headers(self) -> dict[str, FieldValue]:
        """The headers; none is an empty table. Not to be changed."""
        return self.message.properties.headers or {}

    @property
    def content_type(self) -> str | None:
        """The content type, where the publisher named one."""
        return self.message.properties.content_type

    @property
    def message_id(self) -> str | None:
        """The id of the message; the faces give every message one."""
        return self.message.properties.message_id

    def text(self) -> str:
        """Return the body as UTF-8.

        Raises:
            UnicodeDecodeError: it is none.

        """
        return self.message.body.decode()

    def json(self) -> Any:
        """Return what the body says as JSON.

        Raises:
            ValueError: it is no JSON; the text says where.

        """
        return json.loads(self.message.body)


@define(eq=False, repr=False)
class Received(ReceivedMessage):
    """A delivery. What is named with an underscore is called under the broker's lock."""

    _source: Source
    delivery_tag: int
    #: Whether it was delivered before.
    redelivered: bool
    #: The queue it came from.
    queue: str
    #: What became of it: "acked", "requeued", "rejected", or "" while nothing did.
    settled: str = field(default="", init=False)

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__} {self.delivery_tag} of queue {self.queue!r}, routing key"
            f" {self.routing_key!r}, {self.message.size} bytes{', ' * bool(self.settled)}"
            f"{self.settled}>"
        )

    @property
    def exchange(self) -> str:
        """The exchange that it was published to."""
        return self.message.exchange

    @property
    def routing_key(self) -> str:
        """The routing key that it was published with."""
        return self.message.routing_key

    @property
    def attempt(self) -> int:
        """Which attempt to handle it this is, from 1; retries of workers count."""
        attempt = self.headers.get(ATTEMPT, 1)
        return attempt if isinstance(attempt, int) else 1

    @property
    def last_error(self) -> str | None:
        """What the attempt before this one failed with, where there was one."""
        error = self.headers.get(LAST_ERROR)
        return error if isinstance(error, str) else None

    def _end(self, how: str) -> None:
        """Take note that it is settled now.

        Raises:
            DeliveryLostError: it was settled before, or was given back.

        """
        if self.settled:
            raise DeliveryLostError(f"{self._name()} is {self.settled} already")
        if self._source.channel.closed or not self._source.channel.is_held(self.delivery_tag):
            raise DeliveryLostError(
                f"{self._name()} is not held any more: it was given back to its queue, since its"
                " time was over or its consumer was closed, and comes again"
            )
        self.settled = how

    def _name(self) -> str:
        return f"delivery {self.delivery_tag} of queue '{self.queue}'"

    def _acknowledge(self) -> None:
        self._source.channel.basic_ack(self.delivery_tag)
        self._source.settled()

    def _ack(self) -> None:
        self._end("acked")
        self._acknowledge()

    def _nack(self, requeue: bool) -> None:
        self._end("requeued" if requeue else "rejected")
        self._source.channel.basic_nack(self.delivery_tag, requeue=requeue)
        self._source.settled()

    def _give_back(self) -> None:
        """Give it back to its queue, unless it was settled, or given back meanwhile."""
        if self._is_held():
            self._nack(requeue=True)

    def _is_held(self) -> bool:
        return not self.settled and self._source.channel.is_held(self.delivery_tag)

    def _extend(self, duration: Duration) -> None:
        time_ms = milliseconds(duration)
        if not self._is_held() or not self._source.channel.extend(self.delivery_tag, time_ms):
            why = f"{self.settled} already" if self.settled else "not held any more"
            raise DeliveryLostError(f"{self._name()} is {why}, and is not extended")

    def _reject_as(self, message: AnyMessage) -> None:
        """Reject it with other headers, which its dead letter has too."""
        self._source.channel.replace_held(self.delivery_tag, message)
        self._source.channel.basic_reject(self.delivery_tag, requeue=False)
        self._source.settled()
