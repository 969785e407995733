"""Which call of the engine each method of a channel is, and its answer.

One handler a method, in the order of the specification. A handler raises what the engine raises;
the client is told by the channel's listener, or by the connection.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from leveret.errors import NotImplementedByBroker

if TYPE_CHECKING:
    from collections.abc import Callable

    from leveret.wire.channel import WireChannel
    from leveret.wire.methods import MethodCall

    Handler: TypeAlias = Callable[[WireChannel, MethodCall], None]

__all__ = ["HANDLERS"]


def _channel_flow(channel: WireChannel, call: MethodCall) -> None:
    channel.engine.flow(call.active)
    channel.send("channel.flow-ok", active=call.active)


def _channel_close(channel: WireChannel, call: MethodCall) -> None:
    connection = channel.connection
    channel.closing = True
    del connection.channels[channel.number]
    if channel in connection.confirming:
        channel.engine.flush_confirms()
        connection.confirming.remove(channel)
    channel.engine.close()
    channel.send("channel.close-ok")


def _access_request(channel: WireChannel, call: MethodCall) -> None:
    """Grant a ticket, as RabbitMQ does: clients of AMQP 0-8 ask, and nothing depends on it."""
    channel.send("access.request-ok", ticket=1)


def _exchange_declare(channel: WireChannel, call: MethodCall) -> None:
    channel.engine.exchange_declare(
        call.exchange,
        call.type,
        call.passive,
        call.durable,
        call.auto_delete,
        call.internal,
        call.arguments,
    )
    if not call.nowait:
        channel.send("exchange.declare-ok")


def _exchange_delete(channel: WireChannel, call: MethodCall) -> None:
    channel.engine.exchange_delete(call.exchange, call.if_unused)
    if not call.nowait:
        channel.send("exchange.delete-ok")


def _exchange_bind(channel: WireChannel, call: MethodCall) -> None:
    channel.engine.exchange_bind(call.destination, call.source, call.routing_key, call.arguments)
    if not call.nowait:
        channel.send("exchange.bind-ok")


def _exchange_unbind(channel: WireChannel, call: MethodCall) -> None:
    channel.engine.exchange_unbind(call.destination, call.source, call.routing_key, call.arguments)
    if not call.nowait:
        channel.send("exchange.unbind-ok")


def _queue_declare(channel: WireChannel, call: MethodCall) -> None:
    declared = channel.engine.queue_declare(
        call.queue,
        call.passive,
        call.durable,
        call.exclusive,
        call.auto_delete,
        call.arguments,
    )
    if not call.nowait:
        channel.send(
            "queue.declare-ok",
            queue=declared.queue,
            message_count=declared.message_count,
            consumer_count=declared.consumer_count,
        )


def _queue_bind(channel: WireChannel, call: MethodCall) -> None:
    channel.engine.queue_bind(call.queue, call.exchange, call.routing_key, call.arguments)
    if not call.nowait:
        channel.send("queue.bind-ok")


def _queue_unbind(channel: WireChannel, call: MethodCall) -> None:
    channel.engine.queue_unbind(call.queue, call.exchange, call.routing_key, call.arguments)
    channel.send("queue.unbind-ok")


def _queue_purge(channel: WireChannel, call: MethodCall) -> None:
    purged = channel.engine.queue_purge(call.queue)
    if not call.nowait:
        channel.send("queue.purge-ok", message_count=purged.message_count)


def _queue_delete(channel: WireChannel, call: MethodCall) -> None:
    place = len(channel.connection.out)
    deleted = channel.engine.queue_delete(call.queue, call.if_unused, call.if_empty)
    if not call.nowait:
        channel.answer(place, "queue.delete-ok", message_count=deleted.message_count)


def _basic_qos(channel: WireChannel, call: MethodCall) -> None:
    place = len(channel.connection.out)
    channel.engine.basic_qos(call.prefetch_size, call.prefetch_count, call.global_qos)
    channel.answer(place, "basic.qos-ok")


def _basic_consume(channel: WireChannel, call: MethodCall) -> None:
    channel.quiet = call.nowait
    try:
        channel.engine.basic_consume(
            call.queue,
            None,
            call.no_ack,
            call.exclusive,
            call.consumer_tag,
            call.arguments,
        )
    finally:
        channel.quiet = False


def _basic_cancel(channel: WireChannel, call: MethodCall) -> None:
    channel.engine.basic_cancel(call.consumer_tag)
    channel.unsubscribed(call.consumer_tag)
    if not call.nowait:
        channel.send("basic.cancel-ok", consumer_tag=call.consumer_tag)


def _basic_get(channel: WireChannel, call: MethodCall) -> None:
    taken = channel.engine.take(call.queue, call.no_ack)
    if taken is None:
        channel.send("basic.get-empty")
    else:
        channel.get_ok(*taken)


def _basic_ack(channel: WireChannel, call: MethodCall) -> None:
    channel.engine.basic_ack(call.delivery_tag, call.multiple)


def _basic_reject(channel: WireChannel, call: MethodCall) -> None:
    channel.engine.basic_reject(call.delivery_tag, call.requeue)


def _basic_nack(channel: WireChannel, call: MethodCall) -> None:
    channel.engine.basic_nack(call.delivery_tag, call.multiple, call.requeue)


def _basic_recover(channel: WireChannel, call: MethodCall) -> None:
    place = len(channel.connection.out)
    channel.engine.basic_recover(call.requeue)
    channel.answer(place, "basic.recover-ok")


def _basic_recover_async(channel: WireChannel, call: MethodCall) -> None:
    if not call.requeue:
        raise NotImplementedByBroker("requeue=false").at(60, 100, call.name)
    channel.engine.basic_recover(call.requeue)


def _confirm_select(channel: WireChannel, call: MethodCall) -> None:
    channel.engine.confirm_delivery()
    if channel not in channel.connection.confirming:
        channel.connection.confirming.append(channel)
    if not call.nowait:
        channel.send("confirm.select-ok")


def _tx_select(channel: WireChannel, call: MethodCall) -> None:
    channel.engine.tx_select()
    channel.send("tx.select-ok")


def _tx_commit(channel: WireChannel, call: MethodCall) -> None:
    channel.engine.tx_commit()
    channel.send("tx.commit-ok")


def _tx_rollback(channel: WireChannel, call: MethodCall) -> None:
    channel.engine.tx_rollback()
    channel.send("tx.rollback-ok")


#: Method -> what does it. basic.publish has its own way (`ServerConnection`).
HANDLERS: dict[str, Handler] = {
    "channel.flow": _channel_flow,
    "channel.close": _channel_close,
    "access.request": _access_request,
    "exchange.declare": _exchange_declare,
    "exchange.delete": _exchange_delete,
    "exchange.bind": _exchange_bind,
    "exchange.unbind": _exchange_unbind,
    "queue.declare": _queue_declare,
    "queue.bind": _queue_bind,
    "queue.unbind": _queue_unbind,
    "queue.purge": _queue_purge,
    "queue.delete": _queue_delete,
    "basic.qos": _basic_qos,
    "basic.consume": _basic_consume,
    "basic.cancel": _basic_cancel,
    "basic.get": _basic_get,
    "basic.ack": _basic_ack,
    "basic.reject": _basic_reject,
    "basic.nack": _basic_nack,
    "basic.recover": _basic_recover,
    "basic.recover-async": _basic_recover_async,
    "confirm.select": _confirm_select,
    "tx.select": _tx_select,
    "tx.commit": _tx_commit,
    "tx.rollback": _tx_rollback,
}
