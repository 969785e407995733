"""What Prometheus reads of a broker."""

from __future__ import annotations

import threading

from prometheus_client import CollectorRegistry, generate_latest

import leveret
from leveret.prometheus import BrokerCollector


def test_a_broker_tells_its_queues_under_the_names_of_rabbitmq() -> None:
    clock = leveret.ManualClock()
    broker = leveret.Broker(clock=clock)
    broker.queue_declare("billing")
    for _ in range(3):
        broker.basic_publish("", "billing", "1234")
    clock.advance(seconds=90)
    method, _, _ = broker.basic_get("billing")
    assert method is not None
    broker.basic_get("billing")
    broker.basic_reject(method.delivery_tag, requeue=False)
    registry = CollectorRegistry()
    registry.register(BrokerCollector(broker))
    text = generate_latest(registry).decode()
    of = '{queue="billing",vhost="/"}'
    for line in (
        f"rabbitmq_queue_messages{of} 2.0",
        f"rabbitmq_queue_messages_ready{of} 1.0",
        f"rabbitmq_queue_messages_unacked{of} 1.0",
        f"rabbitmq_queue_messages_ready_bytes{of} 4.0",
        f"rabbitmq_queue_consumers{of} 0.0",
        f"leveret_queue_oldest_message_age_seconds{of} 90.0",
        f"leveret_queue_messages_published_total{of} 3.0",
        'leveret_queue_messages_died_total{queue="billing",reason="rejected",vhost="/"} 1.0',
        "rabbitmq_connections 1.0",
    ):
        assert line in text.splitlines(), line


def test_a_service_tells_of_its_workers_and_streams() -> None:
    handled = threading.Event()
    with leveret.open() as service:
        service.engine.queue_declare("billing")
        service.engine.queue_declare("log", arguments={"x-queue-type": "stream"})
        worker = service.worker("billing", lambda delivery: handled.set(), name="bill")
        service.publish("", "billing", "a")
        assert handled.wait(30)
        worker.stop()
        registry = CollectorRegistry()
        registry.register(BrokerCollector(service))
        text = generate_latest(registry).decode()
    assert 'leveret_worker_handler_seconds_count{queue="billing",worker="bill"} 1.0' in text
    assert 'leveret_worker_in_flight{queue="billing",worker="bill"} 0.0' in text
