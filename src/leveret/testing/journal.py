"""What became of each message: every step from publish to ack, dead letter or drop.

A broker's events are written down as they happen. A message keeps its story when it dies and goes
on as a dead letter, and when the broker is restarted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from attrs import define, evolve, field, frozen

from leveret.testing.views import Readable, body_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from leveret.engine import Broker
    from leveret.engine.events import Event
    from leveret.exchanges import RouteTrace
    from leveret.properties import FieldValue, Properties
    from leveret.queues import AnyMessage

    #: Virtual host and queue.
    Place: TypeAlias = tuple[str, str]

__all__ = ["DeadLetter", "Journal", "Published", "Step"]

#: The place of messages that wait to be in a queue.
DELAYED = "(delayed)"


@frozen
class Step:
    """One thing that happened to a message, at a time on the broker's clock.

    `what` is one of published, queued, refused, delivered, acked, requeued, rejected, expired,
    dropped, duplicate, dead-lettered, unroutable, returned, confirmed, nacked, cycle, purged, kept,
    lost; delayed, due or cancelled at "(delayed)", where it waits to be in a queue.
    """

    time_ms: int
    what: str
    queue: str | None = None
    detail: str = ""


@define(eq=False)
class Published(Readable):
    """A published message, the route it took, and what became of it: `print` shows all of it."""

    exchange: str
    routing_key: str
    properties: Properties
    body: bytes = field(repr=False)
    virtual_host: str
    mandatory: bool
    #: Why it went where it went, in the topology as it was then.
    route: RouteTrace = field(repr=False)
    #: The queues it was routed to.
    queues: tuple[str, ...]
    steps: list[Step] = field(factory=list, repr=False)
    # queue -> the last step there
    _state: dict[str, str] = field(factory=dict, init=False, repr=False)

    @property
    def state(self) -> dict[str, str]:
        """Queue -> what it came to there: queued, delivered, acked, expired and so on."""
        return dict(self._state)

    @property
    def is_settled(self) -> bool:
        """Whether the broker is done with it: it waits in no queue, and with no consumer."""
        waiting = {"queued", "delivered", "requeued", "kept", "delayed"}
        return not waiting & set(self._state.values())

    def add(self, step: Step) -> None:
        """Write down what happened next."""
        self.steps.append(step)
        if step.queue is not None and step.what not in ("dead-lettered", "cycle"):
            self._state[step.queue] = step.what

    def __str__(self) -> str:
        start_ms = self.steps[0].time_ms if self.steps else 0
        rows = [
            (f"+{(step.time_ms - start_ms) / 1000:.3f} s", step.what, step.queue or "", step.detail)
            for step in self.steps
        ]
        widths = [max((len(row[column]) for row in rows), default=0) for column in range(3)]
        lines = [f"{self.exchange or '(default)'} {self.routing_key!r} {body_text(self.body)}"]
        for time, what, queue, detail in rows:
            line = f"{time:>{widths[0]}}  {what:{widths[1]}}  {queue:{widths[2]}}  {detail}"
            lines.append("  " + line.rstrip())
        return "\n".join(lines)


@frozen
class DeadLetter:
    """A message that died: where, of what, and where it went."""

    message: Published
    queue: str
    reason: str
    #: The queues it was sent to; empty where none takes it.
    targets: tuple[str, ...]
    time_ms: int


@define(eq=False)
class Journal:
    """Writes down what happens to the messages of brokers, one after the other.

    Costs some microseconds a message, and keeps every message until it is dropped as a whole.
    """

    published: list[Published] = field(factory=list, init=False)
    dead_letters: list[DeadLetter] = field(factory=list, init=False)
    _stop: Callable[[], None] | None = field(default=None, init=False)
    _broker: Broker = field(init=False)
    # id -> (message, its story); the message is kept so that no other gets its id
    _stories: dict[int, tuple[AnyMessage, Published]] = field(factory=dict, init=False)
    # place -> id of message -> message, waiting there or with a consumer of it
    _there: dict[Place, dict[int, AnyMessage]] = field(factory=dict, init=False)
    # (id of channel, sequence) -> the message it is to confirm
    _unconfirmed: dict[tuple[int, int], Published] = field(factory=dict, init=False)
    # (virtual host, exchange, routing key) -> the route of what has no headers, until it may change
    _routes: dict[tuple[str, str, str], RouteTrace] = field(factory=dict, init=False)

    def follow(self, broker: Broker) -> None:
        """Write down what happens in this broker from now on, and not in the one before."""
        self.leave()
        self._broker = broker
        self._routes.clear()
        self._unconfirmed.clear()
        self._stop = broker.events.subscribe(self._hear)

    def leave(self) -> None:
        """Write nothing down any more."""
        if self._stop is not None:
            self._stop()
            self._stop = None

    def forget(self) -> None:
        """Forget all messages that nothing waits for any more, and show none of the others."""
        self.published.clear()
        self.dead_letters.clear()
        there = {key for messages in self._there.values() for key in messages}
        self._stories = {key: story for key, story in self._stories.items() if key in there}

    def restarted(self, kept: set[int], time_ms: int) -> None:
        """Note which messages (by id of the object) outlived the broker they were in."""
        for (_, queue), messages in self._there.items():
            for key, message in list(messages.items()):
                survives = key in kept
                self._step(message, Step(time_ms, "kept" if survives else "lost", queue))
                if not survives:
                    del messages[key]

    # -- events

    def _hear(self, event: Event) -> None:
        kind, _, what = event.name.partition(".")
        if kind == "message":
            handler = _HANDLERS.get(what, Journal._ended)
            handler(self, event)
        elif kind in ("exchange", "queue", "binding"):
            self._routes.clear()
            if event.name in ("queue.deleted", "queue.purged"):
                self._emptied(event)

    def _published(self, event: Event) -> None:
        fields = event.fields
        targets = tuple(fields["targets"])
        message: AnyMessage = fields["message"]
        story = self._tell_of(event, message, targets, mandatory=fields["mandatory"])
        story.add(Step(event.time_ms, "published", None, f"to exchange {message.exchange!r}"))
        if fields["sequence"]:
            self._unconfirmed[id(fields["channel"]), fields["sequence"]] = story
        if not fields["transaction"]:
            self._committed(event)

    def _tell_of(
        self, event: Event, message: AnyMessage, targets: tuple[str, ...], *, mandatory: bool
    ) -> Published:
        """Begin the story of a message."""
        host = event.virtual_host
        story = Published(
            message.exchange,
            message.routing_key,
            message.properties,
            message.body,
            host,
            mandatory,
            self._route(host, message),
            targets,
        )
        self.published.append(story)
        self._stories[id(message)] = (message, story)
        return story

    def _route(self, host: str, message: AnyMessage) -> RouteTrace:
        properties = message.properties
        key = (host, message.exchange, message.routing_key)
        plain = not properties.headers and not message.extra_keys
        if plain and key in self._routes:
            return self._routes[key]
        if message.extra_keys:  # BCC is gone from the headers by now
            copies: list[FieldValue] = list(message.extra_keys)
            headers = {**(properties.headers or {}), "CC": copies}
            properties = evolve(properties, headers=headers)
        router = self._broker.virtual_hosts[host].router
        route = router.explain(message.exchange, message.routing_key, properties)
        if plain:
            self._routes[key] = route
        return route

    def _committed(self, event: Event) -> None:
        self._queued(event, event.fields["message"])

    def _queued(self, event: Event, message: AnyMessage) -> None:
        for queue in event.fields["targets"]:
            self._there.setdefault((event.virtual_host, queue), {})[id(message)] = message
            self._step(message, Step(event.time_ms, "queued", queue))

    def _delivered(self, event: Event) -> None:
        fields = event.fields
        tag, queue = fields["consumer_tag"], fields["queue"]
        message = self._known(event.virtual_host, queue, fields["message"])
        detail = f"to consumer {tag!r}" if tag else "by basic.get"
        if fields["redelivered"]:
            detail += ", redelivered"
        self._step(message, Step(event.time_ms, "delivered", queue, detail))
        if fields["no_ack"]:
            self._step(message, Step(event.time_ms, "acked", queue, "automatically"))
            self._gone(event.virtual_host, queue, message)

    def _known(self, host: str, queue: str, message: AnyMessage) -> AnyMessage:
        """Return the message as it was published; a quorum queue may show a changed copy."""
        if id(message) not in self._stories:
            for one in self._there.get((host, queue), {}).values():
                if (one.routing_key, one.body) == (message.routing_key, message.body):
                    return one
        return message

    def _requeued(self, event: Event) -> None:
        fields = event.fields
        detail = str(fields["reason"]).replace("_", " ")
        self._step(fields["message"], Step(event.time_ms, "requeued", fields["queue"], detail))

    def _ended(self, event: Event) -> None:
        """Note a message's end in one queue: acked, rejected, expired, dropped, or by a limit."""
        fields = event.fields
        message: AnyMessage = fields["message"]
        what = event.name.removeprefix("message.")
        self._step(message, Step(event.time_ms, what, fields["queue"]))
        self._gone(event.virtual_host, fields["queue"], message)

    def _dead_lettered(self, event: Event) -> None:
        fields = event.fields
        message, dead, queue = fields["message"], fields["dead"], fields["queue"]
        found = self._stories.get(id(message))
        if found is None:
            return
        story = found[1]
        self._stories[id(dead)] = (dead, story)
        targets = tuple(fields["targets"])
        self.dead_letters.append(DeadLetter(story, queue, fields["reason"], targets, event.time_ms))
        to = ", ".join(targets) or "no queue"
        detail = f"{fields['reason']}, by exchange {dead.exchange!r} to {to}"
        story.add(Step(event.time_ms, "dead-lettered", queue, detail))
        for target in targets:
            self._there.setdefault((event.virtual_host, target), {})[id(dead)] = dead
            story.add(Step(event.time_ms, "queued", target))

    def _delayed(self, event: Event) -> None:
        fields = event.fields
        message = fields["message"]
        if id(message) not in self._stories:  # held by the program itself
            self._tell_of(event, message, (), mandatory=False)
        self._there.setdefault((event.virtual_host, DELAYED), {})[id(message)] = message
        to = f"queue {fields['queue']!r}" if fields["queue"] else f"{fields['exchange']!r}"
        detail = f"for {(fields['due_ms'] - event.time_ms) / 1000:g} s, to {to}"
        self._step(message, Step(event.time_ms, "delayed", DELAYED, detail))

    def _delay_over(self, event: Event) -> None:
        message, released = event.fields["message"], event.fields["released"]
        self._step(message, Step(event.time_ms, "due", DELAYED))
        self._gone(event.virtual_host, DELAYED, message)
        found = self._stories.get(id(message))
        if found is not None:
            self._stories[id(released)] = (released, found[1])
            self._queued(event, released)

    def _delay_cancelled(self, event: Event) -> None:
        message = event.fields["message"]
        self._step(message, Step(event.time_ms, "cancelled", DELAYED))
        self._gone(event.virtual_host, DELAYED, message)

    def _cycle(self, event: Event) -> None:
        message = event.fields["message"]
        queues = event.fields["queues"]
        detail = f"not sent in a circle: {' ─▶ '.join(queues)}"
        self._step(message, Step(event.time_ms, "cycle", queues[0], detail))
        self._step(message, Step(event.time_ms, "dropped", queues[0]))
        self._gone(event.virtual_host, queues[0], message)

    def _nowhere(self, event: Event) -> None:
        what = event.name.removeprefix("message.")
        self._step(event.fields["message"], Step(event.time_ms, what))

    def _confirmed(self, event: Event) -> None:
        fields = event.fields
        story = self._unconfirmed.pop((id(fields["channel"]), fields["sequence"]), None)
        if story is not None:
            story.add(Step(event.time_ms, "confirmed" if fields["taken"] else "nacked"))

    def _emptied(self, event: Event) -> None:
        """Note that a queue was purged, when what is with consumers stays, or deleted."""
        name = event.fields["name"]
        purged = event.name == "queue.purged"
        place = (event.virtual_host, name)
        for message in list(self._there.get(place, {}).values()):
            with_consumer = self._stories[id(message)][1].state.get(name) == "delivered"
            if not (purged and with_consumer):
                detail = "" if purged else f"the queue ended: {event.fields['reason']}"
                self._step(message, Step(event.time_ms, "purged", name, detail))
                self._gone(*place, message)

    def _step(self, message: AnyMessage, step: Step) -> None:
        found = self._stories.get(id(message))
        if found is not None:
            found[1].add(step)

    def _gone(self, host: str, queue: str, message: AnyMessage) -> None:
        self._there.get((host, queue), {}).pop(id(message), None)

    def check(self) -> None:
        """Assert that what waits in the broker is what the journal says waits."""
        for name, host in self._broker.virtual_hosts.items():
            for queue in host.queues.values():
                there = self._there.get((name, queue.name), {})
                assert len(there) == queue.ready_count + queue.unacked + queue.delayed, queue.name


# what happened to a message -> how it is written down; anything else is its end in a queue
_HANDLERS: dict[str, Callable[[Journal, Event], Any]] = {
    "published": Journal._published,
    "committed": Journal._committed,
    "delivered": Journal._delivered,
    "requeued": Journal._requeued,
    "dead_lettered": Journal._dead_lettered,
    "dead_letter_cycle": Journal._cycle,
    "unroutable": Journal._nowhere,
    "returned": Journal._nowhere,
    "confirmed": Journal._confirmed,
    "delayed": Journal._delayed,
    "delay_over": Journal._delay_over,
    "delay_cancelled": Journal._delay_cancelled,
}
