"""Alerts fire when a figure was over its limit for long enough, and are resolved."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

import leveret
from leveret.alerts import Alerts, figure
from leveret.config import Alert

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def clock() -> leveret.ManualClock:
    return leveret.ManualClock()


@pytest.fixture
def broker(clock: leveret.ManualClock) -> leveret.Broker:
    """Make a broker with the queue `billing`."""
    broker = leveret.Broker(clock=clock)
    broker.queue_declare("billing")
    return broker


def publish(broker: leveret.Broker, count: int) -> None:
    for _ in range(count):
        broker.basic_publish("", "billing", "x")


def test_an_alert_is_pending_then_fires_then_is_resolved(
    broker: leveret.Broker, clock: leveret.ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[tuple[str, str, int | None]] = []
    backlog = Alert("backlog", "billing", "ready", ">", 2, for_ms=5000)
    watching = Alerts(
        broker, [backlog], lambda a, state, value: heard.append((a.name, state, value))
    )
    watching.start()
    publish(broker, 3)
    clock.advance(seconds=1)
    assert (watching.states, heard) == ({"backlog": "pending"}, [])
    clock.advance(seconds=4)
    assert heard == []
    with caplog.at_level(logging.INFO, "leveret.alerts"):
        clock.advance(seconds=1)
        assert heard == [("backlog", "firing", 3)]
        assert watching.states == {"backlog": "firing"}
        publish(broker, 1)
        clock.advance(seconds=60)
        assert len(heard) == 1, "it fires once"
        broker.queue_purge("billing")
        clock.advance(seconds=1)
    assert heard[1:] == [("backlog", "resolved", 0)]
    assert watching.states == {}
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


def test_a_short_excess_fires_nothing(broker: leveret.Broker, clock: leveret.ManualClock) -> None:
    heard: list[object] = []
    alert = Alert("backlog", "billing", "ready", ">=", 1, for_ms=5000)
    Alerts(broker, [alert], lambda *told: heard.append(told)).start()
    for _ in range(10):
        publish(broker, 1)
        clock.advance(seconds=4)
        broker.queue_purge("billing")
        clock.advance(seconds=2)
    assert heard == []


def test_an_old_message_fires_and_a_queue_that_is_gone_is_no_alert(
    broker: leveret.Broker, clock: leveret.ManualClock
) -> None:
    heard: list[tuple[str, int | None]] = []
    alert = Alert("stuck", "billing", "oldest", ">", 60_000)
    Alerts(broker, [alert], lambda _, state, value: heard.append((state, value))).start()
    publish(broker, 1)
    clock.advance(seconds=62)
    broker.queue_delete("billing")
    clock.advance(seconds=1)
    assert heard == [("firing", 61_000), ("resolved", None)]


def test_without_alerts_nothing_is_looked_at(broker: leveret.Broker) -> None:
    Alerts(broker, []).start()
    assert broker.next_deadline_ms() is None


def test_watching_ends(broker: leveret.Broker) -> None:
    watching = Alerts(broker, [Alert("any", "billing", "ready", ">", 0)])
    watching.start()
    assert broker.next_deadline_ms() is not None
    watching.stop()
    assert broker.next_deadline_ms() is None


def test_a_callback_that_fails_is_logged(
    broker: leveret.Broker, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("no pager")

    publish(broker, 1)
    Alerts(broker, [Alert("any", "billing", "ready", ">", 0)], fail).start()
    assert "the callback for alert any failed" in caplog.text
    assert "no pager" in caplog.text


@pytest.mark.parametrize(
    ("metric", "value"),
    [
        ("ready", 1),
        ("unacked", 1),
        ("messages", 2),
        ("consumers", 0),
        ("redeliveries", 1),
        ("dead_letters", 1),
        ("lag", 0),
        ("oldest", 0),
    ],
)
def test_every_figure_can_be_watched(broker: leveret.Broker, metric: str, value: int) -> None:
    publish(broker, 3)
    tags = []
    for _ in range(2):
        method, _, _ = broker.basic_get("billing")
        assert method is not None
        tags.append(method.delivery_tag)
    broker.basic_reject(tags[0], requeue=False)
    broker.basic_nack(tags[1])
    broker.basic_get("billing")
    [queue] = broker.statistics().virtual_hosts[0].queues
    assert figure(queue, metric) == value


def test_a_service_calls_back_as_its_file_says(tmp_path: Path, clock: leveret.ManualClock) -> None:
    file = tmp_path / "t.yaml"
    file.write_text(
        'queues: [billing]\nalerts: {backlog: {queue: billing, ready: "> 1", for: 5s}}\n',
        encoding="utf-8",
    )
    heard: list[tuple[str, str]] = []
    with leveret.open(
        file, clock=clock, on_alert=lambda alert, state, value: heard.append((alert.name, state))
    ) as service:
        service.publish("", "billing", "a")
        service.publish("", "billing", "b")
        with service.lock:
            clock.advance(seconds=7)
        assert heard == [("backlog", "firing")]
