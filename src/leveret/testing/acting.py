"""What a test does in the broker, and looks at there, without a client of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import evolve

from leveret.properties import Properties
from leveret.testing.responders import Responder, encoded
from leveret.testing.state import held_messages
from leveret.testing.views import MessageView, QueueView
from leveret.testing.waiting import Waiting

if TYPE_CHECKING:
    from collections.abc import Callable

    from leveret.properties import FieldValue
    from leveret.testing.journal import DeadLetter, Published

__all__ = ["Acting"]


class Acting(Waiting):
    """Publishing, taking, answering; looking at queues and at what was published."""

    # -- acting

    def publish(
        self,
        exchange: str,
        routing_key: str = "",
        body: Any = b"",
        *,
        headers: dict[str, FieldValue] | None = None,
        properties: Properties | None = None,
    ) -> Published:
        """Publish a message, and return it with the route it took.

        A body that is neither bytes nor text is sent as JSON. The message is persistent unless
        `properties` say otherwise.

        Raises:
            AMQPError: the broker refuses it.

        """
        data, content_type = encoded(body)
        properties = properties or Properties(delivery_mode=2, content_type=content_type)
        if headers is not None:
            properties = evolve(properties, headers=headers)
        with self.lock:
            before = len(self._journal.published)
            self._broker.basic_publish(exchange, routing_key, data, properties)
            return self._journal.published[before]

    def get(self, queue: str) -> MessageView | None:
        """Take the next message of a queue, acknowledged at once; None where there is none.

        Raises:
            NotFound: there is no such queue.

        """
        method, properties, body = self._broker.basic_get(queue, auto_ack=True)
        if method is None or properties is None or body is None:
            return None
        return MessageView(
            method.exchange, method.routing_key, properties, body, method.redelivered, None
        )

    def reply_to(self, queue: str, answer: Callable[..., Any]) -> Responder:
        """Have a stub service answer what comes to a queue, which is declared where it is missing.

        `answer` gets the body, and the properties if it takes two arguments; what it returns
        (bytes, text, or anything JSON can say) is published to the request's `reply_to` with its
        `correlation_id`. None is no reply.
        """
        responder = Responder(queue, answer)
        responder.attach(self._broker)
        self._responders.append(responder)
        return responder

    # -- seeing

    def queue(self, name: str, virtual_host: str = "/") -> QueueView:
        """Return a queue as it is now, with its messages, taking none.

        Raises:
            LookupError: there is no such queue; the text names those there are.

        """
        with self.lock:
            queues = self._broker.virtual_hosts[virtual_host].queues
            queue = queues.get(name)
            if queue is None:
                there = ", ".join(map(repr, queues)) or "none"
                raise LookupError(f"there is no queue {name!r}; there are: {there}")
            held = [entry for _, entry in held_messages(self._broker) if entry.queue is queue]
            return QueueView(
                name,
                tuple(map(MessageView.of, queue.ready)),
                tuple(map(MessageView.of, held)),
                tuple(consumer.tag for consumer in queue.consumers),
                dict(queue.arguments),
            )

    @property
    def queues(self) -> list[str]:
        """The names of the queues in "/"."""
        with self.lock:
            return list(self._broker.virtual_hosts["/"].queues)

    @property
    def exchanges(self) -> list[str]:
        """The names of the exchanges in "/", the broker's own included."""
        with self.lock:
            return list(self._broker.virtual_hosts["/"].exchanges)

    @property
    def published(self) -> list[Published]:
        """Every message published, oldest first, with the route it took; print one for its journal.

        Dead letters are part of the story of the message they were.
        """
        with self._looking:
            return list(self._journal.published)

    @property
    def unroutable(self) -> list[Published]:
        """The published messages that reached no queue, returned or not."""
        return [
            one
            for one in self.published
            if {"unroutable", "returned"} & {step.what for step in one.steps}
        ]

    @property
    def dead_letters(self) -> list[DeadLetter]:
        """Every message that died and was dead-lettered, or would have been if a queue took it."""
        with self._looking:
            return list(self._journal.dead_letters)

    def forget(self) -> None:
        """Forget what was published so far; the broker stays as it is."""
        with self._looking:
            self._journal.forget()
