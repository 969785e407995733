"""Traces and metrics of a service, as OpenTelemetry's conventions for messaging have them."""

from __future__ import annotations

import threading
from typing import Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

import leveret
from leveret.telemetry import OpenTelemetry

TIMEOUT_S = 30


def test_a_message_is_traced_from_publish_to_handler() -> None:
    exporter, reader = InMemorySpanExporter(), InMemoryMetricReader()
    tracers, meters = TracerProvider(), MeterProvider([reader])
    tracers.add_span_processor(SimpleSpanProcessor(exporter))
    handled = threading.Semaphore(0)

    def handler(delivery: Any) -> None:
        handled.release()
        if delivery.text() == "bad":
            raise ValueError("no price")

    with leveret.open(observers=[OpenTelemetry(tracers, meters)]) as service:
        service.engine.exchange_declare("orders", "topic")
        service.engine.queue_declare("billing")
        service.engine.queue_bind("billing", "orders", "#")
        service.worker("billing", handler)
        service.publish("orders", "order.created", "good")
        service.publish("orders", "order.created", "bad")
        assert handled.acquire(timeout=TIMEOUT_S)
        assert handled.acquire(timeout=TIMEOUT_S)
    spans = exporter.get_finished_spans()
    sent = [span for span in spans if span.kind is SpanKind.PRODUCER]
    processed = [span for span in spans if span.kind is SpanKind.CONSUMER]
    assert [span.name for span in sent] == ["publish orders:order.created"] * 2
    assert [span.name for span in processed] == ["process billing"] * 2
    by_id = {span.context.span_id: span for span in sent if span.context}
    for span in processed:
        assert span.parent is not None
        assert span.parent.span_id in by_id
        assert span.links[0].context.span_id == span.parent.span_id
        attributes = dict(span.attributes or {})
        assert attributes["messaging.system"] == "rabbitmq"
        assert attributes["messaging.operation.type"] == "process"
        assert attributes["messaging.destination.name"] == "orders:order.created:billing"
        assert attributes["messaging.rabbitmq.destination.routing_key"] == "order.created"
    failed = [span for span in processed if span.status.status_code is StatusCode.ERROR]
    assert [(span.attributes or {})["error.type"] for span in failed] == ["ValueError"]
    data = reader.get_metrics_data()
    assert data is not None
    figures = {
        metric.name: metric.data.data_points
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }
    sent_points: Any = figures["messaging.client.sent.messages"]
    assert sum(point.value for point in sent_points) == 2
    process_points: Any = figures["messaging.process.duration"]
    assert sum(point.count for point in process_points) == 2
    assert process_points[0].explicit_bounds[0] == 0.005, "seconds, from milliseconds on"
    assert set(figures) == {
        "messaging.client.sent.messages",
        "messaging.client.consumed.messages",
        "messaging.client.operation.duration",
        "messaging.process.duration",
    }
