"""The consuming side of a channel: basic.get, basic.consume, basic.qos, and what queues deliver."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from leveret.engine import methods
from leveret.engine.channel_base import amqp_method, random_name
from leveret.engine.consumer_timeout import TimeoutMethods
from leveret.engine.methods import GetOk
from leveret.engine.replies import PSEUDO_QUEUE, ReplyConsumer
from leveret.errors import (
    AccessRefused,
    AMQPError,
    NotAllowed,
    NotImplementedByBroker,
    PreconditionFailed,
    ResourceLocked,
)
from leveret.queues import Consumer
from leveret.queues.arguments import check_consumer_arguments

if TYPE_CHECKING:
    from leveret.engine.callbacks import OnMessage
    from leveret.engine.channel import Channel
    from leveret.properties import FieldTable, Properties
    from leveret.queues import AnyMessage, Queue, QueuedMessage

__all__ = ["ConsumeMethods"]


class ConsumeMethods(TimeoutMethods):
    """Taking messages, one by one or as they come."""

    __slots__ = ()

    # -- getting

    def basic_get(
        self, queue: str, auto_ack: bool = False
    ) -> tuple[GetOk, Properties, bytes] | tuple[None, None, None]:
        """Take one message: method, properties and body, or three times None (S85).

        Raises:
            NotFound: there is no such queue.
            ResourceLocked: it is another connection's (S8), or a quorum queue with a single active
                consumer (S84).

        """
        taken = self.take(queue, auto_ack)
        if taken is None:
            return None, None, None
        tag, redelivered, message, count = taken
        method = GetOk(tag, redelivered, message.exchange, message.routing_key, count)
        return method, message.properties, message.body

    def take(self, queue: str, auto_ack: bool = False) -> tuple[int, bool, AnyMessage, int] | None:
        """Do as `basic_get`: delivery tag, redelivered, message, messages left; or None."""
        if self.closed:
            self.check_open()
        broker = self._host.broker
        try:
            found = self._host.queues.get(queue)
            if (
                found is None
                or found.exclusive_owner is not None
                or found.settings.single_active_consumer
                or not self._access.unrestricted
            ):
                found = self._admit_get(queue)
            entry = found.get(auto_ack)
        except AMQPError as error:
            raise self.fail(error, methods.BASIC_GET) from None
        if entry is None:
            if broker.work:
                broker.settle()
            return None
        tag = self._next_tag
        self._next_tag = tag + 1
        if not auto_ack:
            if self._held_runs:
                self.part_runs()
            self._unacked[tag] = entry
            entry.delivered_at_ms = self._now_ms()
            if self._timeout_check_ms is None or found.settings.watches_deliveries:
                self.watch(entry)
                self.lease(tag, entry)
        message = entry.message
        if found.settings.type == "quorum" and (
            entry.delivery_count or found.rules.quorum_get_shows_zero
        ):
            message = message.with_header("x-delivery-count", entry.delivery_count)
        if broker.work:
            broker.settle()
        return tag, entry.redelivered, message, found.ready_count

    def _admit_get(self, name: str) -> Queue:
        name = self.expand_queue_name(name)
        self.allow("read", name)
        queue = self.find_queue(name)
        if queue.settings.single_active_consumer and queue.settings.type == "quorum":
            raise ResourceLocked(
                f"cannot obtain access to locked {self._host.describe('queue', name)}. basic.get"
                " operations are not supported by quorum queues with single active consumer"
            )
        return queue

    # -- consumers

    @amqp_method(methods.BASIC_QOS)
    def basic_qos(
        self, prefetch_size: int = 0, prefetch_count: int = 0, global_qos: bool = False
    ) -> None:
        """Limit how many messages may be unacknowledged; 0 is no limit (S74–S76).

        Without `global_qos`, of each consumer that is started from now on; with it, of all
        consumers of the channel together.

        Raises:
            NotImplementedByBroker: `prefetch_size` is not 0.

        """
        if prefetch_size:
            raise NotImplementedByBroker(f"prefetch_size!=0 ({prefetch_size})")
        if global_qos and self._host.broker.profile.global_qos:
            self._global_prefetch = prefetch_count
        else:
            self._prefetch = prefetch_count
            self._global_prefetch = 0
        self.run_consumers()

    @amqp_method(methods.BASIC_CONSUME)
    def basic_consume(
        self,
        queue: str,
        on_message_callback: OnMessage | None = None,
        auto_ack: bool = False,
        exclusive: bool = False,
        consumer_tag: str | None = None,
        arguments: FieldTable | None = None,
    ) -> str:
        """Subscribe to a queue; return the consumer tag.

        The callback gets channel, method, properties and body, as in pika. `x-priority` in the
        arguments ranks the consumer (S83); with `x-visibility-timeout`, leveret's own, what it
        does not settle in so many milliseconds goes back to the queue.

        Raises:
            NotFound: there is no such queue.
            NotAllowed: the tag is in use on this channel (S69).
            AccessRefused: the queue is in exclusive use (S70), or no permission.
            PreconditionFailed: a refused argument, or direct reply-to used wrongly (S116).

        """
        tag = consumer_tag or ""
        if tag in self._consumers:
            raise NotAllowed(f"attempt to reuse consumer tag '{tag}'")
        tag = tag or random_name("amq.ctag", self._host.broker.random)
        if on_message_callback is not None:
            self.callbacks().next_on_message = on_message_callback
        if queue == PSEUDO_QUEUE:
            self._consume_replies(tag, auto_ack)
        else:
            self._consume(queue, tag, auto_ack, exclusive, arguments or {})
        return tag

    def _consume_replies(self, tag: str, auto_ack: bool) -> None:
        """Wait for direct replies (S116)."""
        if not auto_ack:
            raise PreconditionFailed("reply consumer cannot acknowledge")
        if self._reply_consumer is not None:
            raise PreconditionFailed("reply consumer already set")
        replies = self._host.broker.replies
        consumer = ReplyConsumer(tag, replies.new_address(), self._replied)
        self._reply_consumer = consumer
        replies.add(consumer)
        self.listener.subscribed(tag)

    def _replied(self, tag: str, message: AnyMessage) -> None:
        """Hand a reply on. It shows the next delivery tag and does not use it up (seen live)."""
        self.listener.delivered(tag, self._next_tag, False, message)

    def _consume(
        self, name: str, tag: str, auto_ack: bool, exclusive: bool, arguments: FieldTable
    ) -> None:
        name = self.expand_queue_name(name)
        self.allow("read", name)
        queue = self.find_queue(name)
        resource = self._host.describe("queue", name)
        check_consumer_arguments(arguments, queue.settings.type, resource)
        if queue.settings.type == "stream":
            self._check_stream_consumer(queue, resource, auto_ack)
        if queue.settings.type != "classic" and self._global_prefetch:
            raise NotImplementedByBroker(f"{resource} does not support global qos")
        if not queue.accepts(exclusive=exclusive):
            raise AccessRefused(f"{resource} in exclusive use")
        priority = arguments.get("x-priority", 0)
        visibility_ms = arguments.get("x-visibility-timeout")
        consumer = Consumer(
            tag,
            queue,
            cast("Channel", self),
            no_ack=auto_ack,
            exclusive=exclusive,
            priority=priority if isinstance(priority, int) else 0,
            prefetch=self._prefetch,
            arguments=arguments,
            visibility_timeout_ms=visibility_ms if isinstance(visibility_ms, int) else None,
        )
        self._consumers[tag] = consumer
        queue.subscribe(consumer)
        self.listener.subscribed(tag)
        self._host.emit("consumer.created", queue=name, consumer_tag=tag)
        queue.start()

    def _check_stream_consumer(self, queue: Queue, resource: str, auto_ack: bool) -> None:
        """Refuse a consumer of a stream that has no prefetch limit or does not acknowledge."""
        before_4 = queue.rules.streams_refuse_rejects
        if not self._prefetch:
            what = f"'{resource}'" if before_4 else f"stream {resource}"
            raise PreconditionFailed(f"consumer prefetch count is not set for {what}")
        if auto_ack:
            what = f"stream queues {resource}" if before_4 else f"stream {resource}"
            raise NotImplementedByBroker(f"automatic acknowledgement not supported by {what}")

    @amqp_method(methods.BASIC_CANCEL)
    def basic_cancel(self, consumer_tag: str) -> None:
        """End a subscription; its unacknowledged messages stay out (S71). Any tag will do (S72)."""
        reply_consumer = self._reply_consumer
        if reply_consumer is not None and reply_consumer.tag == consumer_tag:
            self._host.broker.replies.remove(reply_consumer)
            self._reply_consumer = None
            return
        consumer = self._consumers.pop(consumer_tag, None)
        if consumer is not None and not consumer.queue.deleted:
            consumer.queue.unsubscribe(consumer)
            self._host.emit(
                "consumer.deleted", queue=consumer.queue.name, consumer_tag=consumer_tag
            )

    # -- what queues call

    def can_receive(self) -> bool:
        """Say whether the channel takes deliveries now (S75)."""
        if self._paused:
            return False
        return not self._global_prefetch or self._held < self._global_prefetch

    def receive(self, consumer: Consumer, entry: QueuedMessage) -> None:
        """Take a delivery from a queue and tell the client."""
        tag = self._next_tag
        self._next_tag = tag + 1
        if not consumer.no_ack:
            if self._held_runs:
                self.part_runs()
            self._unacked[tag] = entry
            entry.consumer = consumer
            consumer.unacked += 1
            self._held += 1
            entry.delivered_at_ms = self._now_ms()
            if self._timeout_check_ms is None or entry.queue.settings.watches_deliveries:
                self.watch(entry)
                self.lease(tag, entry)
            elif consumer.visibility_timeout_ms is not None:
                self.lease(tag, entry)
        message = entry.message
        if entry.delivery_count:  # a quorum queue's (S87)
            message = message.with_header("x-delivery-count", entry.delivery_count)
        self.listener.delivered(consumer.tag, tag, entry.redelivered, message)

    def pass_on(self, consumer: Consumer, message: AnyMessage) -> None:
        """Take a fresh delivery that is never acknowledged, and tell the client."""
        tag = self._next_tag
        self._next_tag = tag + 1
        self.listener.delivered(consumer.tag, tag, False, message)

    def consumer_cancelled(self, consumer: Consumer) -> None:
        """Take note that a consumer's queue is gone (S73)."""
        self._consumers.pop(consumer.tag, None)
        if self.connection.cancel_notify:
            self.listener.consumer_cancelled(consumer.tag)

    def pause(self) -> None:
        """Stop deliveries to all consumers of the channel, for a client that does not keep up."""
        self._paused = True

    def resume(self) -> None:
        """Go on with deliveries."""
        self._paused = False
        self.run_consumers()
        self._host.broker.settle()

    @amqp_method(methods.CHANNEL_FLOW)
    def flow(self, active: bool) -> bool:
        """Answer channel.flow: RabbitMQ takes only `active=True`, which changes nothing.

        Raises:
            NotImplementedByBroker: `active` is False.

        """
        if not active:
            raise NotImplementedByBroker("active=false")
        return True
