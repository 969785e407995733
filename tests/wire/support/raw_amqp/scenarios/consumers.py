"""Consumers, acknowledgements, confirms, transactions, nowait (S22)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pika import spec

from raw_amqp.frames import content
from raw_amqp.scenarios.registry import called, scenario

if TYPE_CHECKING:
    from raw_amqp.scenarios.registry import Open

B, E, Q = spec.Basic, spec.Exchange, spec.Queue


@scenario
def a_consumer_s_life(open_peer: Open) -> None:
    peer = open_peer().login(channels=(1, 2))
    peer.call(1, Q.Declare(queue="wire-life", exclusive=True))
    peer.call(1, B.Qos(0, 2, False))
    peer.call(2, B.Consume(queue="wire-life", consumer_tag="other"))
    peer.call(2, B.Cancel("other"))
    peer.call(1, B.Consume(queue="wire-life", consumer_tag="t"))
    peer.send(*(content(2, b"%d" % n, routing_key="wire-life", content_type="n") for n in range(4)))
    peer.lines()
    peer.call(1, B.Ack(1))
    peer.call(1, B.Reject(2, True))
    peer.call(1, B.Nack(0, True, False))
    peer.call(1, B.Cancel("t"))
    peer.call(1, B.Cancel("unknown"))
    peer.call(1, B.Recover(True))
    peer.call(1, Q.Delete(queue="wire-life"))


@scenario
def a_queue_deleted_under_its_consumers(open_peer: Open) -> None:
    peer = open_peer().login(channels=(1, 2))
    peer.call(1, Q.Declare(queue="wire-gone", auto_delete=True))
    peer.call(1, B.Consume(queue="wire-gone", consumer_tag="t"))
    unable = open_peer().login(channels=(1,), properties={})
    unable.call(1, B.Consume(queue="wire-gone", consumer_tag="u"))
    peer.call(2, Q.Delete(queue="wire-gone"))
    peer.call(1, B.Qos(0, 1, False))
    unable.call(1, B.Qos(0, 1, False))


def _consumed(peer: Any, count: int) -> None:
    """Have a consumer, and messages for it, on channel 1."""
    peer.call(1, Q.Declare(queue="wire-own", exclusive=True))
    peer.call(1, B.Consume(queue="wire-own", consumer_tag="t"))
    for number in range(count):
        peer.send(content(1, b"%d" % number, routing_key="wire-own"))
        peer.lines()


@scenario
def a_queue_deleted_by_the_channel_that_consumes(open_peer: Open) -> None:
    peer = open_peer().login(channels=(1,))
    _consumed(peer, 1)
    peer.call(1, Q.Delete(queue="wire-own"))


@scenario
def a_recover_answered_before_what_it_brings(open_peer: Open) -> None:
    peer = open_peer().login(channels=(1,))
    _consumed(peer, 2)
    peer.call(1, B.Recover(True))


@scenario
def a_qos_answered_before_what_it_lets_through(open_peer: Open) -> None:
    peer = open_peer().login(channels=(1,))
    peer.call(1, B.Qos(0, 1, True))
    _consumed(peer, 1)
    peer.send(*(content(1, b"more", routing_key="wire-own") for _ in range(2)))
    peer.call(1, B.Qos(0, 3, True))


called(
    "consume without a tag, again with it",
    Q.Declare(queue="wire-t", exclusive=True),
    B.Consume(queue="wire-t", consumer_tag="t"),
    B.Consume(queue="wire-t", consumer_tag="t"),
)
called("get from an empty queue", Q.Declare(queue="wire-e", exclusive=True), B.Get(queue="wire-e"))
called("ack of nothing", B.Ack(1))
called("ack of everything where there is nothing", B.Ack(0, True), B.Qos(0, 1, False))
called("recover", B.Recover(True))
called("recover without requeue", B.Recover(False))
called("recover-async", B.RecoverAsync(True), B.Qos(0, 1, False))
called("recover-async without requeue", B.RecoverAsync(False))
called(
    "tx",
    spec.Tx.Select(),
    content(1, b"x", routing_key="none", mandatory=True),
    spec.Tx.Commit(),
    spec.Tx.Rollback(),
)
called("tx commit without select", spec.Tx.Commit())
called("confirm, then tx", spec.Confirm.Select(), spec.Tx.Select())
called("tx, then confirm", spec.Tx.Select(), spec.Confirm.Select())
called("confirm twice", spec.Confirm.Select(), spec.Confirm.Select(True), spec.Confirm.Select())
called(
    "confirm: unroutable, mandatory",
    spec.Confirm.Select(),
    content(1, b"x", routing_key="none"),
    content(1, b"x", routing_key="none", mandatory=True),
)
called(
    "confirm: a queue that refuses",
    spec.Confirm.Select(),
    Q.Declare(
        queue="wire-r",
        exclusive=True,
        arguments={"x-max-length": 1, "x-overflow": "reject-publish"},
    ),
    content(1, b"x", routing_key="wire-r"),
    content(1, b"x", routing_key="wire-r"),
)

called(
    "nowait: everything that can",
    Q.Declare(queue="wire-n", exclusive=True, nowait=True),
    E.Declare(exchange="wire-x", type="fanout", auto_delete=True, nowait=True),
    E.Declare(exchange="wire-y", type="fanout", nowait=True),
    Q.Bind(queue="wire-n", exchange="wire-x", nowait=True),
    E.Bind(destination="wire-y", source="wire-x", nowait=True),
    B.Consume(queue="wire-n", consumer_tag="t", nowait=True),
    content(1, b"x", "wire-x"),
    B.Cancel("t", nowait=True),
    Q.Purge(queue="wire-n", nowait=True),
    E.Unbind(destination="wire-y", source="wire-x", nowait=True),
    E.Delete(exchange="wire-y", nowait=True),
    Q.Delete(queue="wire-n", nowait=True),
    Q.Unbind(queue="wire-n", exchange="amq.direct", routing_key="k"),
    spec.Confirm.Select(nowait=True),
    E.Delete(exchange="wire-x"),
)
for _call in (
    Q.Declare(queue="wire-never", passive=True, nowait=True),
    E.Declare(exchange="wire-never", passive=True, nowait=True),
    Q.Bind(queue="wire-never", exchange="wire-never", routing_key="k", nowait=True),
    E.Bind(destination="wire-never", source="wire-never", nowait=True),
    B.Consume(queue="wire-never", consumer_tag="t", nowait=True),
    Q.Purge(queue="wire-never", nowait=True),
    Q.Declare(queue="amq.wire", nowait=True),
    Q.Delete(queue="wire-never", nowait=True),
    E.Declare(exchange="wire-never", type="bogus", nowait=True),
    E.Unbind(destination="wire-never", source="wire-never", nowait=True),
    B.Cancel("wire-never", nowait=True),
    E.Delete(exchange="amq.topic", nowait=True),
):
    called(f"nowait: {_call.NAME} refused", _call)
