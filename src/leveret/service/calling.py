"""Request and reply for both faces."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define, field

from leveret.bodies import encode
from leveret.errors import LeveretError
from leveret.properties import Properties
from leveret.queues import Message
from leveret.service.errors import CallFailedError
from leveret.service.received import Received, ReceivedMessage
from leveret.service.waiting import Operation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from leveret.bodies import Body
    from leveret.engine.requests import PendingReply, Requests
    from leveret.properties import FieldValue

__all__ = ["ERROR", "Calling", "Reply", "reply_message"]

#: The header of a reply that says why there is no result: the name of an error and its text.
ERROR = "x-error"

#: How much of an error's text is sent.
MAX_ERROR_TEXT = 1000


class Reply(ReceivedMessage):
    """What a request was answered with."""


def describe(error: BaseException) -> str:
    """Name an error and its text, cut to what a header should hold."""
    return f"{type(error).__name__}: {error}"[:MAX_ERROR_TEXT]


def reply_message(delivery: Received, result: Body, error: Exception | None) -> Message | None:
    """Return the reply to a request, or None for one that asked for none.

    Raises:
        TypeError: the result has no form as a body.

    """
    request = delivery.properties
    if not request.reply_to:
        return None
    headers: dict[str, FieldValue] | None = None
    body, content_type = b"", None
    if error is not None:
        headers = {ERROR: describe(error)}
    elif result is not None:
        body, content_type = encode(result)
    properties = Properties(
        content_type=content_type, headers=headers, correlation_id=request.correlation_id
    )
    return Message("", request.reply_to, properties, body)


@define(eq=False, repr=False)
class Calling(Operation):
    """A request that waits for its reply; the broker keeps its timeout."""

    reply: Reply | None = field(default=None, init=False)
    _pending: PendingReply | None = field(default=None, init=False)
    _requests: Requests | None = field(default=None, init=False)

    def begin(
        self,
        requests: Requests,
        exchange: str,
        routing_key: str,
        body: Body,
        headers: Mapping[str, FieldValue] | None,
        timeout_ms: int | None,
    ) -> None:
        """Send the request."""
        content, content_type = encode(body)
        properties = Properties(
            content_type=content_type, headers=dict(headers) if headers else None
        )
        self._requests = requests
        self._pending = requests.call(
            exchange,
            routing_key,
            content,
            properties,
            timeout_ms=timeout_ms,
            on_done=self._answered,
        )

    def _answered(self, pending: PendingReply) -> None:
        try:
            reply = pending.result()
        except LeveretError as error:
            self.finish(error)
            return
        self.reply = Reply(Message("", "", reply.properties, reply.body))
        failure = self.reply.headers.get(ERROR)
        self.finish(CallFailedError(str(failure)) if failure is not None else None)

    def timeout_error(self, timeout_ms: int) -> LeveretError:
        """Never asked: the requests keep the time."""
        raise AssertionError

    def cancel(self) -> None:
        """Wait no longer: the reply is dropped when it comes."""
        if self._requests is not None and self._pending is not None:
            self._requests.forget(self._pending)
