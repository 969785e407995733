"""Traces and metrics of publishes and handlers (extra `opentelemetry`: opentelemetry-api).

An observer for `leveret.open(..., observers=[OpenTelemetry()])` and `leveret.aio.open`. The context
travels in the headers `traceparent` and `tracestate` (W3C). Names of spans, attributes and
metrics are those of OpenTelemetry's semantic conventions for messaging and for RabbitMQ.
"""

from __future__ import annotations

from contextlib import contextmanager
from time import perf_counter
from typing import TYPE_CHECKING, Any

from opentelemetry import metrics, propagate, trace
from opentelemetry.trace import SpanKind, StatusCode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.metrics import Counter, Histogram, MeterProvider
    from opentelemetry.trace import TracerProvider

    from leveret.properties import FieldValue
    from leveret.service.received import Received

__all__ = ["OpenTelemetry"]


#: Bounds of the buckets of a duration in seconds, as the conventions have them.
_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)


class OpenTelemetry:
    """Makes a span and metrics of each publish and each handler.

    Without providers, those of the process are used. A handler's span is a child of the publish
    whose message it handles, and linked to it.
    """

    def __init__(
        self,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
    ) -> None:
        self._tracer = trace.get_tracer("leveret", tracer_provider=tracer_provider)
        meter = metrics.get_meter("leveret", meter_provider=meter_provider)
        self._sent = meter.create_counter(
            "messaging.client.sent.messages", "{message}", "Messages published"
        )
        self._consumed = meter.create_counter(
            "messaging.client.consumed.messages", "{message}", "Messages given to handlers"
        )
        self._publish_time = meter.create_histogram(
            "messaging.client.operation.duration",
            "s",
            "Time until the broker had a message",
            explicit_bucket_boundaries_advisory=_BUCKETS_S,
        )
        self._process_time = meter.create_histogram(
            "messaging.process.duration",
            "s",
            "Time in handlers",
            explicit_bucket_boundaries_advisory=_BUCKETS_S,
        )

    @contextmanager
    def publishing(
        self, exchange: str, routing_key: str, headers: dict[str, FieldValue]
    ) -> Iterator[None]:
        """Trace a publish, and put its context into the headers."""
        destination = ":".join(filter(None, (exchange, routing_key))) or "amq.default"
        measured = _attributes("publish", "send", destination)
        attributes = measured | {"messaging.rabbitmq.destination.routing_key": routing_key}
        with (
            self._tracer.start_as_current_span(
                f"publish {destination}", kind=SpanKind.PRODUCER, attributes=attributes
            ) as span,
            _timed(span, measured, self._sent, self._publish_time),
        ):
            propagate.inject(headers)
            yield

    @contextmanager
    def handling(self, delivery: Received, queue: str) -> Iterator[None]:
        """Trace a handler, as a child of the publish."""
        exchange, routing_key = delivery.exchange, delivery.routing_key
        parts = dict.fromkeys(filter(None, (exchange, routing_key, queue)))
        measured = _attributes("process", "process", ":".join(parts))
        attributes: dict[str, Any] = measured | {
            "messaging.rabbitmq.destination.routing_key": routing_key,
            "messaging.rabbitmq.message.delivery_tag": delivery.delivery_tag,
            "messaging.message.body.size": len(delivery.body),
        }
        if delivery.message_id is not None:
            attributes["messaging.message.id"] = delivery.message_id
        if delivery.properties.correlation_id is not None:
            attributes["messaging.message.conversation_id"] = delivery.properties.correlation_id
        texts = {k: v for k, v in (delivery.headers or {}).items() if isinstance(v, str)}
        context = propagate.extract(texts)
        sender = trace.get_current_span(context).get_span_context()
        with (
            self._tracer.start_as_current_span(
                f"process {queue}",
                context=context,
                kind=SpanKind.CONSUMER,
                attributes=attributes,
                links=[trace.Link(sender)] if sender.is_valid else [],
            ) as span,
            _timed(span, measured, self._consumed, self._process_time),
        ):
            yield


def _attributes(name: str, kind: str, destination: str) -> dict[str, Any]:
    return {
        "messaging.system": "rabbitmq",
        "messaging.operation.name": name,
        "messaging.operation.type": kind,
        "messaging.destination.name": destination,
    }


@contextmanager
def _timed(
    span: trace.Span, attributes: dict[str, Any], counter: Counter, histogram: Histogram
) -> Iterator[None]:
    """Count and time what happens within; an error is told to the span and the metrics."""
    began = perf_counter()
    try:
        yield
    except BaseException as error:
        attributes = attributes | {"error.type": type(error).__qualname__}
        span.set_attribute("error.type", type(error).__qualname__)
        span.set_status(StatusCode.ERROR, str(error))
        raise
    finally:
        counter.add(1, attributes)
        histogram.record(perf_counter() - began, attributes)
