"""What Dramatiq's tests import and its package leaves out: a broker, a worker, credentials."""

from __future__ import annotations

import sys
import types
from typing import TYPE_CHECKING, Any

import dramatiq
import pika
import pytest
from dramatiq.brokers.rabbitmq import RabbitmqBroker

if TYPE_CHECKING:
    from collections.abc import Iterator

common = types.ModuleType("tests.common")
common.__dict__.update(
    RABBITMQ_USERNAME="guest",
    RABBITMQ_PASSWORD="guest",
    RABBITMQ_CREDENTIALS=pika.PlainCredentials("guest", "guest"),
    skip_unless_rabbit_mq=lambda test: test,
)
sys.modules["tests.common"] = common


@pytest.fixture
def rabbitmq_broker() -> Iterator[Any]:
    broker = RabbitmqBroker(host="127.0.0.1", max_priority=10)
    broker.emit_after("process_boot")
    dramatiq.set_broker(broker)
    yield broker
    broker.flush_all()
    broker.emit_before("process_stop")
    broker.close()


@pytest.fixture
def rabbitmq_worker(rabbitmq_broker: Any) -> Iterator[Any]:
    worker = dramatiq.Worker(rabbitmq_broker, worker_threads=32)
    worker.start()
    yield worker
    worker.stop()
