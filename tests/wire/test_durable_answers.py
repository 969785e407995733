"""What the broker promises a client leaves once it is durable, and not before."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pika import spec
from raw_amqp.frames import content, method
from raw_amqp.peers import InMemoryPeer

from leveret import Broker

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    made = Broker(data=tmp_path)
    yield made
    made.check()
    made.close()


@pytest.fixture
def peer(broker: Broker) -> InMemoryPeer:
    broker.queue_declare("q")
    broker.flush()
    peer = InMemoryPeer(broker).login(channels=(1,))
    assert isinstance(peer, InMemoryPeer)
    return peer


@pytest.mark.parametrize(
    ("call", "answer"),
    [
        (spec.Queue.Declare(queue="new", durable=True), "queue.declare-ok"),
        (spec.Queue.Delete(queue="q"), "queue.delete-ok"),
        (spec.Exchange.Declare(exchange="e", durable=True), "exchange.declare-ok"),
        (spec.Queue.Bind(queue="q", exchange="amq.direct"), "queue.bind-ok"),
    ],
    ids=lambda value: value.NAME if hasattr(value, "NAME") else "",
)
def test_a_change_of_durable_objects_is_answered_when_it_is_durable(
    broker: Broker, peer: InMemoryPeer, call: object, answer: str
) -> None:
    assert peer.call(1, call) == []
    broker.flush()
    assert answer in peer.lines()[0]


def test_what_is_transient_is_answered_at_once(peer: InMemoryPeer) -> None:
    (line,) = peer.call(1, spec.Queue.Declare(queue="t", exclusive=True))
    assert "queue.declare-ok" in line


def test_any_call_says_that_what_came_before_it_is_durable(
    broker: Broker, peer: InMemoryPeer
) -> None:
    peer.send(content(1, b"x", routing_key="q", delivery_mode=2))
    assert peer.call(1, spec.Basic.Qos(prefetch_count=1)) == []
    broker.flush()
    assert peer.lines() == ["1 basic.qos-ok"]
    (line,) = peer.call(1, spec.Queue.Declare(queue="q", passive=True))
    assert "message_count=1" in line


def test_basic_get_promises_nothing_and_waits_for_nothing(peer: InMemoryPeer) -> None:
    peer.send(content(1, b"x", routing_key="q", delivery_mode=2))
    (line, *_) = peer.call(1, spec.Basic.Get(queue="q"))
    assert "basic.get-ok" in line


def test_a_commit_is_answered_when_all_of_it_is_durable(broker: Broker, peer: InMemoryPeer) -> None:
    peer.call(1, spec.Tx.Select())
    peer.send(content(1, b"x", routing_key="q", delivery_mode=2))
    assert peer.call(1, spec.Tx.Commit()) == []
    broker.flush()
    assert peer.lines() == ["1 tx.commit-ok"]


def test_what_follows_a_held_answer_stays_behind_it_and_heartbeats_pass(
    broker: Broker, peer: InMemoryPeer
) -> None:
    peer.send(method(1, spec.Queue.Declare(queue="new", durable=True)))
    peer.send(method(1, spec.Basic.Get(queue="q")))
    peer.connection.heartbeat()
    assert peer.lines() == ["0 heartbeat"]
    broker.flush()
    assert [line.split()[1] for line in peer.lines()] == ["queue.declare-ok", "basic.get-empty"]


def test_held_answers_leave_group_by_group_and_confirms_behind_them(
    broker: Broker, peer: InMemoryPeer
) -> None:
    storage = broker.storage
    assert storage is not None
    peer.call(1, spec.Confirm.Select())
    for number in range(3):
        peer.send(content(1, b"x", routing_key="q", delivery_mode=2))
        peer.send(method(1, spec.Queue.Declare(queue=f"q{number}", durable=True)))
        storage.seal()
    assert peer.lines() == []
    broker.durable(storage.journal.group - 3)
    assert [line.split()[1] for line in peer.lines()] == ["queue.declare-ok"]
    broker.flush()
    names = [line.split()[1] for line in peer.lines()]
    assert names == ["queue.declare-ok", "queue.declare-ok", "basic.ack", "basic.ack"]


def test_a_connection_that_is_closed_is_told_when_what_it_did_is_durable(
    broker: Broker, peer: InMemoryPeer
) -> None:
    peer.send(content(1, b"x", routing_key="q", delivery_mode=2))
    assert peer.call(0, spec.Connection.Close(200, "bye", 0, 0)) == []
    assert not peer.dropped
    broker.flush()
    assert peer.lines() == ["0 connection.close-ok"]
    assert peer.dropped


def test_a_client_that_leaves_while_an_answer_is_held_is_forgotten(
    broker: Broker, peer: InMemoryPeer
) -> None:
    peer.send(method(1, spec.Queue.Declare(queue="new", durable=True)))
    peer.lost()
    broker.flush()
    assert "new" in broker.virtual_hosts["/"].queues
