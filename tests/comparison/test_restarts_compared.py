"""S39 and what else a restart leaves: the same with both sides, restarted in the middle.

RabbitMQ's application is stopped and started on its node; leveret is closed, and its directory
opened again. Both are spoken to by pika.
"""

from __future__ import annotations

import contextlib
import random
import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import pika
import pika.exceptions
import pytest
from attrs import define, field
from judge.plain import properties_of

import leveret
from leveret.engine.permissions import Permission, User, hash_password
from leveret.engine.policies import Policy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from judge.fixtures import Judge
    from judge.node import RabbitMQNode

    from leveret.server.background import RunningServer

pytest_plugins = ["judge.fixtures"]

PREFIX = "restart."
#: Long enough to be alive before a restart, over when the node is back, a few seconds later.
TTL_MS = 3000
DEADLINE_S = 30.0
#: name -> what it is declared with
EXCHANGES: dict[str, dict[str, Any]] = {
    "topic": {"exchange_type": "topic", "durable": True},
    "transient": {"exchange_type": "fanout"},
    "auto-delete": {"exchange_type": "fanout", "durable": True, "auto_delete": True},
    "internal": {"exchange_type": "fanout", "durable": True, "internal": True},
}
DEAD = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": f"{PREFIX}dead"}
QUEUES: dict[str, dict[str, Any]] = {
    "durable": {"durable": True},
    "transient": {},
    "exclusive": {"exclusive": True},
    "durable exclusive": {"exclusive": True, "durable": True},
    "auto-delete": {"durable": True, "auto_delete": True},
    "priorities": {"durable": True, "arguments": {"x-max-priority": 5}},
    "quorum": {"durable": True, "arguments": {"x-queue-type": "quorum"}},
    "lazy": {"durable": True, "arguments": {"x-queue-mode": "lazy"}},
    "ttl": {"durable": True, "arguments": {"x-message-ttl": TTL_MS, **DEAD}},
    "rejecting": {"durable": True, "arguments": DEAD},
    "expiring": {"durable": True, "arguments": {"x-expires": 600_000}},
    "dead": {"durable": True},
}
#: source, destination, whether it is an exchange, routing key
BINDINGS = [
    ("topic", "durable", False, "a.#"),
    ("topic", "transient", False, "a.#"),
    ("topic", "lazy", False, "a.b"),
    ("transient", "durable", False, ""),
    ("auto-delete", "durable", False, ""),
    ("topic", "internal", True, "i"),
    ("internal", "priorities", False, ""),
    ("topic", "transient", True, "t"),
    ("amq.topic", "durable", False, "b"),
]
PASSWORD = "of one who stays"


def named(name: str) -> str:
    return name if name.startswith("amq.") else PREFIX + name


@define(eq=False)
class Restarted(ABC):
    """A broker that can be restarted; messages are published and taken by pika."""

    connections: list[Any] = field(factory=list, init=False)

    @property
    @abstractmethod
    def url(self) -> str:
        """Where it listens."""

    @abstractmethod
    def administer(self) -> None:
        """Make a policy, and a user with permissions."""

    @abstractmethod
    def restart(self) -> None:
        """Stop it as its operator would, and start it."""

    def channel(self, user: str = "guest", password: str = "guest") -> Any:
        """Open a connection of its own, and a channel that confirms."""
        parameters = pika.URLParameters(self.url)
        parameters.credentials = pika.PlainCredentials(user, password)
        connection = pika.BlockingConnection(parameters)
        self.connections.append(connection)
        channel = connection.channel()
        channel.confirm_delivery()
        return channel

    def close(self) -> None:
        """Close all connections; a restart has closed some."""
        for connection in self.connections:
            with contextlib.suppress(pika.exceptions.AMQPError):
                connection.close()
        self.connections.clear()

    def exists(self, kind: str, name: str) -> bool:
        """Say whether a queue or an exchange is there, and of no other connection."""
        channel = self.channel()
        try:
            if kind == "queue":
                channel.queue_declare(named(name), passive=True)
            else:
                channel.exchange_declare(named(name), passive=True)
        except pika.exceptions.ChannelClosedByBroker:
            return False
        return True

    def take(self, name: str) -> list[Any]:
        """Take all messages of a queue that is there."""
        return taken(self.channel(), named(name))


@define(eq=False)
class RestartedRabbitMQ(Restarted):
    """RabbitMQ, within its Erlang machine."""

    node: RabbitMQNode

    @property
    def url(self) -> str:
        return self.node.url

    def administer(self) -> None:
        self.node.ctl("set_policy", "restart", f"^{PREFIX}expiring$", '{"max-length": 8}')
        self.node.ctl("add_user", "restart", PASSWORD)
        self.node.ctl("set_permissions", "restart", f"^{PREFIX}", ".*", "^$")

    def restart(self) -> None:
        self.node.ctl("stop_app")
        self.node.ctl("start_app")
        self.node.wait_until_ready()

    def clean(self) -> None:
        """Delete what is left."""
        self.close()
        channel = self.channel()
        for name in QUEUES:
            channel.queue_delete(named(name))
        for name in EXCHANGES:
            channel.exchange_delete(named(name))
        self.node.ctl("clear_policy", "restart")
        self.node.ctl("delete_user", "restart")
        self.close()


@define(eq=False)
class RestartedLeveret(Restarted):
    """leveret, served, with a directory."""

    directory: Path
    broker: leveret.Broker = field(init=False)
    server: RunningServer = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.start()

    @property
    def url(self) -> str:
        return self.server.url

    def start(self) -> None:
        self.broker = leveret.Broker(profile="3.10", data=self.directory)
        self.server = self.broker.serve(port=0)

    def stop(self) -> None:
        self.server.close()
        self.broker.close()

    def administer(self) -> None:
        policy = Policy("restart", f"^{PREFIX}expiring$", {"max-length": 8})
        with self.server.lock:
            self.broker.virtual_hosts["/"].set_policy(policy)
            user = User("restart", hash_password(PASSWORD, random.Random(1)))
            self.broker.users.add(user)
            permission = Permission(configure=f"^{PREFIX}", write=".*", read="^$")
            self.broker.users.set_permission("restart", "/", permission)

    def restart(self) -> None:
        self.stop()
        # Elsewhere a restart takes longer than what is to expire in it.
        time.sleep(TTL_MS / 1000)
        self.start()


def taken(channel: Any, queue: str) -> list[Any]:
    found = []
    while (got := channel.basic_get(queue, auto_ack=True))[0] is not None:
        method, properties, body = got
        found.append((body, method.redelivered, properties_of(properties)))
    return found


def get(channel: Any, queue: str) -> int:
    """Get a message that is there, and return its delivery tag; a quorum queue may take a while."""
    deadline = time.monotonic() + DEADLINE_S
    while (method := channel.basic_get(queue)[0]) is None:
        assert time.monotonic() < deadline
    tag: int = method.delivery_tag
    return tag


def fill(side: Restarted) -> str:
    """Declare, bind and publish; return the name of the queue that the broker named."""
    side.administer()
    channel = side.channel()
    for name, declaration in EXCHANGES.items():
        channel.exchange_declare(named(name), **declaration)
    for name, declaration in QUEUES.items():
        channel.queue_declare(named(name), **declaration)
    for source, destination, is_exchange, key in BINDINGS:
        bind = channel.exchange_bind if is_exchange else channel.queue_bind
        bind(named(destination), named(source), routing_key=key)
    given: str = channel.queue_declare("", durable=True).method.queue
    for name, queue in {**{name: named(name) for name in QUEUES}, "given": given}.items():
        for number in range(6):
            properties = pika.BasicProperties(
                delivery_mode=1 if number == 2 else 2,
                priority=number % 3,
                headers={"number": number, "name": name},
                message_id=f"{number}",
            )
            channel.basic_publish("", queue, f"{name} {number}".encode(), properties)
    # one is with a consumer when it stops, one came back, one is rejected, one is done with
    for name in ("durable", "quorum", "lazy", "rejecting"):
        tags = [get(channel, named(name)) for _ in range(4)]
        channel.basic_ack(tags[1])
        channel.basic_nack(tags[2], requeue=True)
        channel.basic_reject(tags[3], requeue=False)
    channel.queue_declare(named("dead"), passive=True)  # all that has been done by now
    return given


def left(side: Restarted, given: str) -> dict[str, dict[Any, Any]]:
    """Return what is there after a restart."""
    found: dict[str, dict[Any, Any]] = {"queues": {}, "exchanges": {}, "routes": {}}
    wait_until_expired(side)
    for name in EXCHANGES:
        found["exchanges"][name] = side.exists("exchange", name)
    for name in QUEUES:
        there = side.exists("queue", name)
        found["queues"][name] = side.take(name) if there else None
    channel = side.channel()
    found["queues"]["given"] = taken(channel, given)
    channel.queue_delete(given)
    for source, key in sorted({(source, key) for source, _, _, key in BINDINGS}):
        found["routes"][source, key] = routed(side, source, key)
    found["others"] = {
        "kept by the policy": length_of_what_the_policy_limits(side),
        "the user may": allowed(side),
    }
    return found


def wait_until_expired(side: Restarted) -> None:
    """Wait for the messages whose time ran on while the broker was away."""
    channel = side.channel()
    deadline = time.monotonic() + DEADLINE_S
    while channel.queue_declare(named("ttl"), passive=True).method.message_count:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def routed(side: Restarted, source: str, key: str) -> list[str] | None:
    """Return the queues that a message reaches; None: there is no such exchange."""
    channel = side.channel()
    with contextlib.suppress(pika.exceptions.UnroutableError):
        try:
            channel.basic_publish(named(source), key, b"probe", mandatory=True)
        except pika.exceptions.ChannelClosedByBroker:
            return None
    return [name for name in QUEUES if side.exists("queue", name) and side.take(name)]


def length_of_what_the_policy_limits(side: Restarted) -> int:
    channel = side.channel()
    for _ in range(10):
        channel.basic_publish("", named("expiring"), b"x")
    count: int = channel.queue_purge(named("expiring")).method.message_count
    return count


def allowed(side: Restarted) -> list[str]:
    """Return what the user may do that was made before the restart."""
    calls: dict[str, Callable[[Any], object]] = {
        "declare": lambda channel: channel.queue_declare(named("durable"), durable=True),
        "declare another": lambda channel: channel.queue_declare("else", exclusive=True),
        "publish": lambda channel: channel.basic_publish("", named("durable"), b"x"),
        "get": lambda channel: channel.basic_get(named("durable")),
    }
    found = []
    for name, call in calls.items():
        with contextlib.suppress(pika.exceptions.ChannelClosedByBroker):
            call(side.channel("restart", PASSWORD))
            found.append(name)
    with pytest.raises(pika.exceptions.ProbableAuthenticationError):
        side.channel("restart", "another")
    return found


@pytest.fixture
def theirs(judge: Judge) -> Iterator[RestartedRabbitMQ]:
    if judge.node is None:
        pytest.skip("only a private node can be restarted")
    side = RestartedRabbitMQ(judge.node)
    yield side
    side.clean()


@pytest.fixture
def ours(tmp_path: Path) -> Iterator[RestartedLeveret]:
    side = RestartedLeveret(tmp_path / "data")
    yield side
    side.stop()


def what_is_left(side: Restarted) -> dict[str, dict[Any, Any]]:
    given = fill(side)
    side.restart()
    side.close()
    found = left(side, given)
    side.close()
    return found


def test_s39_a_restart_leaves_the_same_objects_messages_and_users(
    theirs: RestartedRabbitMQ, ours: RestartedLeveret
) -> None:
    wanted = what_is_left(theirs)
    found = what_is_left(ours)
    assert wanted["queues"]["durable"]
    assert wanted["queues"]["transient"] is None
    for each in (wanted, found):
        # what came back stands where it was published on leveret, at the end on RabbitMQ
        each["queues"]["quorum"].sort(key=lambda message: message[0])
    for part, values in wanted.items():
        for key, value in values.items():
            assert (part, key, found[part][key]) == (part, key, value)
