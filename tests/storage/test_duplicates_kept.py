"""What was published before a restart is a duplicate after it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from leveret import Broker, ManualClock, Properties
from leveret.storage import Storage

if TYPE_CHECKING:
    from pathlib import Path

ON: dict[str, Any] = {"x-message-deduplication": True}


def opened(path: Path, clock: ManualClock) -> tuple[Broker, Storage]:
    broker = Broker(clock=clock)
    return broker, Storage.open(broker, path)


def identified(identifier: str, delivery_mode: int = 2) -> Properties:
    return Properties(delivery_mode=delivery_mode, headers={"x-deduplication-header": identifier})


def declare(broker: Broker, kind: str, **arguments: Any) -> None:
    if kind == "exchange":
        broker.exchange_declare("x", "fanout", durable=True, arguments=ON | arguments)
        broker.queue_declare("q")
        broker.queue_bind("q", "x")
    else:
        broker.queue_declare("q", arguments={**ON, "x-cache-size": 100} | arguments)


def publish(broker: Broker, kind: str, identifier: str, **options: Any) -> None:
    exchange = "x" if kind == "exchange" else ""
    broker.basic_publish(exchange, "q", identifier, identified(identifier, **options))


def drain(broker: Broker) -> list[str]:
    taken = []
    while (got := broker.basic_get("q", auto_ack=True))[0] is not None:
        taken.append(got[2].decode())
    return taken


@pytest.mark.parametrize("kind", ["exchange", "queue"])
def test_identifiers_of_persistent_messages_outlive_a_restart(tmp_path: Path, kind: str) -> None:
    clock = ManualClock()
    broker, storage = opened(tmp_path, clock)
    declare(broker, kind, **{"x-cache-ttl": 60_000, "x-cache-size": 3})
    for identifier in "abcd":
        publish(broker, kind, identifier)
    assert drain(broker) == list("abcd")
    storage.close()
    clock.advance(seconds=59)
    broker, storage = opened(tmp_path, clock)
    for identifier in "dcba":
        publish(broker, kind, identifier)
    assert drain(broker) == ["a"], "of four, three were remembered"
    clock.advance(seconds=1)
    storage.close()
    broker, storage = opened(tmp_path, clock)
    for identifier in "abcd":
        publish(broker, kind, identifier)
    assert drain(broker) == ["b", "c", "d"], "the time of all but a is over"
    broker.check()
    storage.close()


@pytest.mark.parametrize("kind", ["exchange", "queue"])
@pytest.mark.parametrize("how", ["transient message", "memory"])
def test_what_nobody_asked_to_keep_is_forgotten(tmp_path: Path, kind: str, how: str) -> None:
    broker, storage = opened(tmp_path, ManualClock())
    declare(broker, kind, **({"x-cache-persistence": "memory"} if how == "memory" else {}))
    publish(broker, kind, "a", delivery_mode=2 if how == "memory" else 1)
    assert drain(broker) == ["a"]
    storage.close()
    broker, storage = opened(tmp_path, ManualClock())
    publish(broker, kind, "a")
    assert drain(broker) == ["a"]
    storage.close()


@pytest.mark.parametrize("kind", ["exchange", "queue"])
def test_a_message_and_its_identifier_are_kept_together_or_lost_together(
    tmp_path: Path, kind: str
) -> None:
    broker, storage = opened(tmp_path, ManualClock())
    declare(broker, kind)
    publish(broker, kind, "kept")
    storage.flush()
    publish(broker, kind, "lost")
    storage.database.close()
    broker, storage = opened(tmp_path, ManualClock())
    for identifier in ("kept", "lost"):
        publish(broker, kind, identifier)
    assert drain(broker) == ["kept", "lost"]
    storage.close()


@pytest.mark.parametrize("kind", ["exchange", "queue", "queue without cache"])
def test_the_confirm_of_a_duplicate_waits_for_the_original(tmp_path: Path, kind: str) -> None:
    broker, storage = opened(tmp_path, ManualClock())
    if kind == "queue without cache":
        broker.queue_declare("q", arguments=ON)
    else:
        declare(broker, kind)
    storage.flush()
    publish(broker, kind, "a")
    channel, confirmed = broker.channel(), []
    channel.confirm_delivery(lambda tag, *_: confirmed.append(tag))
    channel.basic_publish("x" if kind == "exchange" else "", "q", b"", identified("a"))
    assert confirmed == []
    storage.flush()
    assert confirmed == [1]
    channel.basic_publish("x" if kind == "exchange" else "", "q", b"", identified("a"))
    assert confirmed == [1, 2], "all is durable"
    storage.close()


def test_a_queue_without_cache_knows_what_came_back(tmp_path: Path) -> None:
    broker, storage = opened(tmp_path, ManualClock())
    broker.queue_declare("q", arguments=ON)
    publish(broker, "queue", "a")
    storage.close()
    broker, storage = opened(tmp_path, ManualClock())
    for identifier in "ab":
        publish(broker, "queue", identifier)
    assert drain(broker) == ["a", "b"]
    broker.check()
    storage.close()


@pytest.mark.parametrize("kind", ["exchange", "queue"])
def test_what_is_deleted_leaves_nothing_behind(tmp_path: Path, kind: str) -> None:
    broker, storage = opened(tmp_path, ManualClock())
    objects = storage.database.objects
    before = sorted(objects())
    declare(broker, kind)
    publish(broker, kind, "a")
    storage.flush()
    assert [key for kind_, *key in objects() if kind_ == "identifier"]
    broker.queue_delete("q")
    broker.exchange_delete("x")
    storage.flush()
    assert sorted(objects()) == before
    storage.close()


def test_paged_out_messages_are_purged_with_their_identifiers(tmp_path: Path) -> None:
    broker, storage = opened(tmp_path, ManualClock())
    broker.queue_declare("q", arguments=ON)
    for number in range(3000):
        publish(broker, "queue", str(number))
    storage.flush()
    storage.relieve(1)
    broker.queue_purge("q")
    broker.check()
    publish(broker, "queue", "2999")
    assert drain(broker) == ["2999"]
    storage.close()
