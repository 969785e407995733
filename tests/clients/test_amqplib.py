"""Node's amqplib, in programs of its own: confirms, returns, errors, cancellations, replies."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

#: Around each program: it logs what it finds, line by line, as JSON.
PROGRAM = """
const amqp = require("amqplib");
const once = (emitter, event) => new Promise((resolve) => emitter.once(event, resolve));
const log = (value) => console.log(JSON.stringify(value));
async function main() {
  const connection = await amqp.connect(process.env.AMQP_URL);
  %s
  await connection.close();
}
main().catch((error) => { log(String(error)); process.exit(1); });
"""


@pytest.fixture
def node(node_modules: Path, url: str) -> Callable[[str], list[Any]]:
    """Return what runs a program and gives back what it logged."""

    def run(program: str) -> list[Any]:
        done = subprocess.run(
            ["node", "-e", PROGRAM % program],
            env={**os.environ, "NODE_PATH": str(node_modules), "AMQP_URL": url},
            capture_output=True,
            text=True,
            timeout=30,
        )
        assert not done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    return run


def test_the_server_is_as_amqplib_expects_it(node: Callable[[str], list[Any]]) -> None:
    (properties,) = node("log(connection.connection.serverProperties);")
    assert properties["product"] == "RabbitMQ"
    assert properties["capabilities"]["consumer_cancel_notify"]


def test_messages_with_properties_are_consumed_and_acknowledged(
    node: Callable[[str], list[Any]],
) -> None:
    assert node("""
      const channel = await connection.createConfirmChannel();
      const { queue } = await channel.assertQueue("", { exclusive: true });
      await channel.prefetch(1);
      for (let n = 0; n < 3; n++)
        channel.sendToQueue(queue, Buffer.alloc(n * 100000, "x"),
                            { headers: { n, list: [1, "a", null] }, messageId: `m${n}` });
      await channel.waitForConfirms();
      let left = 3;
      await new Promise((resolve) => channel.consume(queue, (message) => {
        const { headers, messageId } = message.properties;
        log([message.content.length, headers, messageId, message.fields.redelivered]);
        channel.ack(message);
        if (!--left) resolve();
      }));
    """) == [[n * 100_000, {"n": n, "list": [1, "a", None]}, f"m{n}", False] for n in range(3)]


def test_returns_and_refusals_are_heard_of(node: Callable[[str], list[Any]]) -> None:
    assert node("""
      const channel = await connection.createConfirmChannel();
      channel.on("return", (message) => log(message.fields.replyText));
      channel.publish("", "nowhere", Buffer.from("x"), { mandatory: true });
      await channel.waitForConfirms();
      await channel.assertQueue("q", { arguments: { "x-max-length": 1,
                                                    "x-overflow": "reject-publish" } });
      channel.sendToQueue("q", Buffer.from("a"));
      await channel.waitForConfirms();
      channel.sendToQueue("q", Buffer.from("b"));
      await channel.waitForConfirms().catch((error) => log(error.message));
    """) == ["NO_ROUTE", "message nacked"]


def test_an_error_closes_the_channel_alone(node: Callable[[str], list[Any]]) -> None:
    assert node("""
      const channel = await connection.createChannel();
      const failed = once(channel, "error");
      await channel.checkQueue("nowhere").catch(() => {});
      log((await failed).code);
      const other = await connection.createChannel();
      log((await other.assertQueue("q")).messageCount);
    """) == [404, 0]


def test_a_cancelled_consumer_gets_a_null(
    node: Callable[[str], list[Any]],
) -> None:
    assert node("""
      const channel = await connection.createChannel();
      const other = await connection.createChannel();
      await channel.assertQueue("q");
      const cancelled = new Promise((resolve) => channel.consume("q", resolve));
      await other.deleteQueue("q");
      log(await cancelled);
    """) == [None]


def test_a_reply_comes_directly(node: Callable[[str], list[Any]]) -> None:
    assert node("""
      const channel = await connection.createChannel();
      await channel.assertQueue("rpc");
      await channel.consume("rpc", (request) =>
        channel.sendToQueue(request.properties.replyTo,
                            Buffer.from(request.content.toString().toUpperCase()),
                            { correlationId: request.properties.correlationId }),
        { noAck: true });
      const reply = new Promise((resolve) =>
        channel.consume("amq.rabbitmq.reply-to", resolve, { noAck: true }));
      channel.sendToQueue("rpc", Buffer.from("hello"),
                          { replyTo: "amq.rabbitmq.reply-to", correlationId: "7" });
      const got = await reply;
      log([got.content.toString(), got.properties.correlationId]);
    """) == [["HELLO", "7"]]


def test_every_type_of_exchange_and_binding(node: Callable[[str], list[Any]]) -> None:
    assert node("""
      const channel = await connection.createChannel();
      for (const kind of ["direct", "fanout", "topic", "headers"]) {
        await channel.assertExchange(kind, kind, { autoDelete: true });
        await channel.assertQueue(`q-${kind}`);
        await channel.bindQueue(`q-${kind}`, kind, "a.*", { "x-match": "all", k: 1 });
        channel.publish(kind, "a.b", Buffer.from("x"), { headers: { k: 1 } });
        channel.publish(kind, "a.*", Buffer.from("y"), { headers: { k: 2 } });
      }
      await channel.bindExchange("fanout", "topic", "#");
      channel.publish("topic", "b", Buffer.from("z"));
      for (const kind of ["direct", "fanout", "topic", "headers"]) {
        const found = [];
        for (let m; (m = await channel.get(`q-${kind}`, { noAck: true })); )
          found.push(m.content.toString());
        log(found);
      }
    """) == [["y"], ["x", "y", "z"], ["x", "y"], ["x"]]
