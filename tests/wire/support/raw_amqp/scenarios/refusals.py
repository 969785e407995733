"""Every error, with the method that caused it."""

from __future__ import annotations

from pika import spec

from raw_amqp.scenarios.registry import called

B, E, Q = spec.Basic, spec.Exchange, spec.Queue

called("server-named queue", Q.Declare(queue="", exclusive=True), B.Get(queue=""))
for _call in (
    Q.Declare(queue="amq.x"),
    Q.Declare(queue="wire-z", arguments={"x-expires": 0}),
    Q.Bind(queue="wire-z", exchange="amq.direct"),
    B.Get(queue="wire-z"),
    Q.Bind(queue="", exchange="amq.direct"),
    Q.Unbind(queue="wire-z", exchange=""),
    B.Consume(queue="wire-z"),
    E.Declare(exchange="amq.x"),
    E.Declare(exchange="wire-z", type="bogus"),
    E.Delete(exchange="amq.topic"),
    E.Declare(exchange=""),
    E.Bind(destination="a", source="b"),
    E.Unbind(destination="", source=""),
    Q.Purge(queue="wire-z"),
    B.Qos(1, 0, False),
    B.Nack(5),
    B.Reject(5),
    Q.Declare(queue="wire-" + "z" * 245, passive=True),
    E.Declare(exchange="amq.topic", type="direct", durable=True),
):
    called(f"refused: {_call!r}"[:90], _call)
called("refused: reply-to consumer that acks", B.Consume(queue="amq.rabbitmq.reply-to"))
