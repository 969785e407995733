"""Assertions whose failures read like an explanation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from leveret.properties import NO_PROPERTIES
from leveret.testing.acting import Acting
from leveret.testing.idle import client_name, unhandled
from leveret.testing.responders import encoded
from leveret.testing.state import held_messages
from leveret.testing.views import body_text

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from leveret.exchanges import RouteTrace
    from leveret.properties import FieldValue
    from leveret.testing.journal import Published

__all__ = ["Asserting"]

#: So many messages are listed where none is as wanted.
_LISTED = 20


class Asserting(Acting):
    """Assertions on routes, on what was published, and on what is left open."""

    def assert_routed(
        self,
        exchange: str,
        routing_key: str = "",
        *,
        to: Collection[str],
        headers: dict[str, FieldValue] | None = None,
    ) -> RouteTrace:
        """Assert that a message published so would reach just these queues; publish nothing.

        Raises:
            AssertionError: it would reach others; the text draws the route, with the reason beside
                each binding that missed.
            NotFound: there is no such exchange.

        """
        __tracebackhide__ = True
        from leveret.properties import Properties

        properties = NO_PROPERTIES if headers is None else Properties(headers=headers)
        trace = self._broker.explain(exchange, routing_key, properties)
        wanted, reached = set(to), {*trace.queues, *trace.possible}
        if wanted != reached:
            raise AssertionError("\n".join(_misrouted(trace, wanted, reached)))
        return trace

    def assert_published(
        self,
        exchange: str | None = None,
        routing_key: str | None = None,
        *,
        body: Any = None,
        headers: Any = None,
        to: Collection[str] | None = None,
        count: int | None = None,
        **properties: Any,
    ) -> Published:
        """Assert that such a message was published; return the last one.

        `routing_key` may be a topic pattern. `body` is bytes, text, what JSON can say, or a matcher
        (`json_with`); `headers` a table of headers that are to be there, or a matcher; further
        names are properties. `to` are the queues that it was routed to, `count` how many there
        were.

        Raises:
            AssertionError: none was, or another number; the text lists what was, and what differs.

        """
        __tracebackhide__ = True
        wanted = _Wanted(exchange, routing_key, body, headers, to, properties)
        published = self.published
        found = [one for one in published if not wanted.differences(one)]
        if len(found) != count if count is not None else not found:
            raise AssertionError("\n".join(_not_published(wanted, published, found, count)))
        return found[-1] if found else None  # type: ignore[return-value] # where count is 0

    def assert_not_published(
        self,
        exchange: str | None = None,
        routing_key: str | None = None,
        *,
        body: Any = None,
        headers: Any = None,
    ) -> None:
        """Assert that no such message was published; see `assert_published`.

        Raises:
            AssertionError: one was.

        """
        __tracebackhide__ = True
        self.assert_published(exchange, routing_key, body=body, headers=headers, count=0)

    def assert_no_unacked(self) -> None:
        """Assert that every delivery was settled.

        Raises:
            AssertionError: some were not; the text says whose.

        """
        __tracebackhide__ = True
        with self.lock:
            lines = [*unhandled(self._broker, self._server), *self._got_and_not_acked()]
        if lines:
            raise AssertionError("\n- ".join(["messages are not acknowledged:", *lines]))

    def assert_queues_empty(self, *names: str) -> None:
        """Assert that these queues, or all, hold no message, ready or unacknowledged.

        Raises:
            AssertionError: some do; the text shows what is in them.

        """
        __tracebackhide__ = True
        views = [self.queue(name) for name in names or self.queues]
        lines = [
            f"{view.name}: {len(view.messages)} ready, {len(view.unacked)} unacknowledged,"
            f" first {body_text([*view.unacked, *view.messages][0].body)}"
            for view in views
            if view.messages or view.unacked
        ]
        if lines:
            raise AssertionError("\n- ".join(["queues are not empty:", *lines]))

    # -- what is left open

    def left_open(self) -> list[str]:
        """Return the open connections and the messages that are not settled, a line each."""
        if self._listening.running is None:
            return []
        with self.lock:
            connections = [
                f"{client_name(client)} is connected still"
                for client in self._server.clients
                if client.connection.engine is not None and client.connection.engine.is_open
            ]
            return [
                *connections,
                *unhandled(self._broker, self._server),
                *self._got_and_not_acked(),
            ]

    def _got_and_not_acked(self) -> Iterator[str]:
        # queue -> messages
        counts: dict[str, int] = {}
        for _, entry in held_messages(self._broker):
            if entry.consumer is None:
                counts[entry.queue.name] = counts.get(entry.queue.name, 0) + 1
        for queue, count in counts.items():
            yield f"{count} of queue {queue!r} taken by basic.get, not acknowledged"

    def describe(self) -> str:
        """Return what was published and became of it, for the report of a failed test."""
        return "\n".join(map(str, self.published[-_LISTED:]))


def _misrouted(trace: RouteTrace, wanted: set[str], reached: set[str]) -> Iterator[str]:
    key = trace.routing_keys[0]
    yield f"{key!r} published to exchange {trace.exchange!r} goes elsewhere"
    if missing := sorted(wanted - reached):
        yield f"it should reach {', '.join(map(repr, missing))} too, and does not:"
        for queue in missing:
            yield f"- {queue!r}: {_why_missed(trace, queue)}"
    if extra := sorted(reached - wanted):
        yield f"it reaches {', '.join(map(repr, extra))}, and should not"
    yield str(trace)


def _why_missed(trace: RouteTrace, queue: str) -> str:
    """Say which binding to a queue came closest, or that there is none on the way."""
    for visit in trace.visits:
        bound = [one for one in visit.considered if one.binding.destination == queue]
        near = [one for one in visit.nearest if one.binding.destination == queue]
        for one in [*near, *bound]:
            if not one.matched:
                label = one.label or "its binding"
                return f"nearest binding {label} of exchange {visit.exchange!r}: {one.reason}"
    return "no exchange on the way has a binding to it"


class _Wanted:
    """What a published message is to be like."""

    def __init__(
        self,
        exchange: str | None,
        routing_key: str | None,
        body: Any,
        headers: Any,
        to: Collection[str] | None,
        properties: dict[str, Any],
    ) -> None:
        self._exchange = exchange
        self._routing_key = routing_key
        self._body = body if body is None or hasattr(body, "_fits") else encoded(body)[0]
        self._is_json = not isinstance(body, bytes | str) and self._body is not body
        self._json = body
        self._headers = headers
        self._to = to
        self._properties = properties

    def differences(self, one: Published) -> list[str]:
        """Return what is not as wanted, the most telling first."""
        return [*self._place(one), *self._content(one)]

    def _place(self, one: Published) -> Iterator[str]:
        if self._exchange is not None and one.exchange != self._exchange:
            yield f"exchange {one.exchange!r}"
        if self._routing_key is not None and not _key_fits(self._routing_key, one.routing_key):
            yield f"routing key {one.routing_key!r}"

    def _content(self, one: Published) -> Iterator[str]:
        if self._body is not None and not self._body_fits(one):
            yield f"body {body_text(one.body)}"
        if self._headers is not None and not self._headers_fit(one):
            yield f"headers {dict(one.headers)}"
        if self._to is not None and set(self._to) != set(one.queues):
            yield f"routed to {', '.join(one.queues) or 'no queue'}"
        for name, value in self._properties.items():
            given = getattr(one.properties, name)
            if given != value:
                yield f"{name} {given!r}"

    def _body_fits(self, one: Published) -> bool:
        if not self._is_json:
            return bool(one.body == self._body)
        from leveret.testing.matchers import json_equal

        return bool(one.body == json_equal(self._json))

    def _headers_fit(self, one: Published) -> bool:
        if not isinstance(self._headers, dict):
            return bool(one.headers == self._headers)
        given = one.headers
        return all(name in given and given[name] == v for name, v in self._headers.items())

    def __str__(self) -> str:
        parts = []
        if self._exchange is not None:
            parts.append(f"to exchange {self._exchange!r}")
        if self._routing_key is not None:
            parts.append(f"with routing key {self._routing_key!r}")
        if self._body is not None:
            parts.append(f"with body {self._json!r}")
        if self._headers is not None:
            parts.append(f"with headers {self._headers!r}")
        if self._to is not None:
            parts.append(f"to queues {sorted(self._to)}")
        parts += [f"with {name} {value!r}" for name, value in self._properties.items()]
        return " ".join(["message", *parts])


def _key_fits(wanted: str, key: str) -> bool:
    if wanted == key or not ("*" in wanted or "#" in wanted):
        return wanted == key
    from leveret.routing import TopicPattern

    return TopicPattern.parse(wanted).matches(key)


def _not_published(
    wanted: _Wanted, published: list[Published], found: list[Published], count: int | None
) -> Iterator[str]:
    if count is None:
        yield f"no {wanted} was published"
    else:
        yield f"{len(found)} of {wanted} published, not {count}"
    if not published:
        yield "nothing was published"
    ranked = sorted(published, key=lambda one: len(wanted.differences(one)))
    for one in ranked[:_LISTED]:
        differences = ", ".join(wanted.differences(one)) or "as wanted"
        yield f"- {one.exchange or '(default)'} {one.routing_key!r}: {differences}"
    if len(ranked) > _LISTED:
        yield f"- … and {len(ranked) - _LISTED} more"
