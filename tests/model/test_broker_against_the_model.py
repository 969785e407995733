"""Random conversations with the broker, step by step, beside a naive model of it.

A failure prints the steps, and a line with which they are run again. The number of conversations
is multiplied by the environment variable `LEVERET_MODEL_FACTOR`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
from attrs import frozen
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from tests.model.naive_broker import BY_NAME, How, NaiveBroker, NaiveChannel, Spec, Subscriber

import leveret
from leveret.errors import PreconditionFailed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leveret.engine import Channel
    from leveret.queues import Queue

FACTOR = int(os.environ.get("LEVERET_MODEL_FACTOR", "1"))

NAMES = ("a", "b", "c", "d")
CHANNELS = (0, 1, 2)

#: A way to settle -> what it comes to.
HOW: dict[str, How] = {
    "ack": "ack",
    "nack": "reject",
    "reject": "reject",
    "nack_requeue": "nack_requeue",
    "reject_requeue": "reject_requeue",
}
HOWS = ("ack", "nack", "reject", "nack_requeue", "nack_requeue", "reject_requeue")

names = st.sampled_from(NAMES)
channels = st.sampled_from(CHANNELS)
picks = st.integers(0, 50)
exchanges = st.sampled_from(("", BY_NAME))


@frozen
class Theme:
    """What queues are like in one kind of conversation: choices, as likely as they are many."""

    quorum: tuple[bool, ...] = (False, False, True)
    ttls: tuple[int | None, ...] = (None, None, None, 5, 30)
    lengths: tuple[int | None, ...] = (None, None, None, 0, 1, 2, 4)
    sizes: tuple[int | None, ...] = (None, None, None, 10, 25)
    targets: tuple[str | None, ...] = (None, "", BY_NAME)
    consumers: bool = True


THEMES = {
    "everything": Theme(),
    "deaths": Theme(lengths=(None,), sizes=(None,), targets=("", BY_NAME), consumers=False),
    "limits": Theme(lengths=(None, 1, 2, 4), sizes=(None, 10, 25), ttls=(None,)),
    "turns": Theme(lengths=(None,), sizes=(None,), ttls=(None, None, 30), targets=(None,)),
}


@st.composite
def specs(draw: st.DrawFn, theme: Theme) -> Spec:
    quorum = draw(st.sampled_from(theme.quorum))
    target = draw(st.sampled_from(theme.targets))
    overflows = ["drop-head", "reject-publish"] + ["reject-publish-dlx"] * (not quorum)
    # Whether a message with TTL 0 reaches a waiting consumer is said of classic queues only (S90).
    ttls = theme.ttls if quorum or theme.ttls == (None,) else (*theme.ttls, 0)
    return Spec(
        quorum=quorum,
        max_priority=None if quorum else draw(st.sampled_from((None, None, 1, 5))),
        ttl=draw(st.sampled_from(ttls)),
        max_length=draw(st.sampled_from(theme.lengths)),
        max_bytes=draw(st.sampled_from(theme.sizes)),
        overflow=draw(st.sampled_from(overflows)),
        dead_letter_exchange=target,
        dead_letter_key=None if target is None else draw(st.sampled_from((None, *NAMES, *NAMES))),
        delivery_limit=draw(st.integers(0, 3)) if quorum else 0,
        single=draw(st.sampled_from((False, False, False, True))),
    )


def specs_of(machine: Conversation) -> st.SearchStrategy[Spec]:
    return specs(machine.theme)


own_specs = st.runner().flatmap(specs_of)


@frozen
class Publishing:
    """Some messages to one queue, alike but for their bodies."""

    pick: int
    exchange: str
    priority: int | None
    expiration: str | None
    padding: int
    times: int


publishings = st.builds(
    Publishing,
    pick=picks,
    exchange=exchanges,
    priority=st.sampled_from((None, 0, 1, 4, 9)),
    expiration=st.sampled_from((None, None, None, "1", "5", "20")),
    padding=st.sampled_from((0, 0, 5, 9)),
    times=st.integers(1, 4),
)


class Conversation(RuleBasedStateMachine):
    """Three channels and up to four queues, on a clock moved by hand."""

    theme = THEMES["everything"]

    def __init__(self) -> None:
        super().__init__()
        self.told: list[tuple[object, ...]] = []
        # (queue, body, deaths so far) of what was delivered
        self.seen: set[tuple[str, bytes, int]] = set()
        self.bodies = 0
        self.tags = 0

    @initialize(
        profile=st.sampled_from(("4.2", "4.3")),
        first=st.lists(own_specs, min_size=2, max_size=3),
    )
    def begin(self, profile: str, first: list[Spec]) -> None:
        self.clock = leveret.ManualClock()
        self.broker = leveret.Broker(profile, self.clock, seed=0, consumer_timeout_ms=None)
        self.broker.exchange_declare(BY_NAME)
        self.host = self.broker.virtual_hosts["/"]
        self.channels: dict[int, Channel] = {n: self.broker.channel() for n in CHANNELS}
        self.model = NaiveBroker(self.clock.now_ms(), nack_counts=profile != "4.3")
        self.model.channels = {n: NaiveChannel() for n in CHANNELS}
        for name, spec in zip(NAMES, first, strict=False):
            self.declare(name, spec)

    # -- queues

    def declare(self, name: str, spec: Spec) -> None:
        if name not in self.model.queues:
            self.broker.queue_declare(name, arguments=spec.arguments())
            self.broker.queue_bind(name, BY_NAME, name)
            self.model.declare(name, spec)

    def purge(self, name: str) -> None:
        assert self.broker.queue_purge(name).message_count == self.model.purge(name)

    def delete(self, name: str) -> None:
        assert self.broker.queue_delete(name).message_count == self.model.delete(name)

    # -- publishing and getting

    @rule(publishing=publishings)
    def publish_some(self, publishing: Publishing) -> None:
        self.publish(publishing)

    @rule(publishing=publishings)
    def publish_more(self, publishing: Publishing) -> None:
        """Make it as likely to publish as to take."""
        self.publish(publishing)

    def publish(self, what: Publishing) -> None:
        name = self.queue(what.pick)
        properties = leveret.Properties(priority=what.priority, expiration=what.expiration)
        for _ in range(what.times):
            self.bodies += 1
            body = b"%d" % self.bodies + b"." * what.padding
            self.channels[0].basic_publish(what.exchange, name, body, properties)
            self.model.publish(what.exchange, name, body, what.priority, what.expiration)

    @precondition(lambda self: self.filled())
    @rule(
        channel=channels,
        pick=picks,
        auto_ack=st.sampled_from((False, False, False, True)),
        times=st.integers(1, 4),
    )
    def get(self, channel: int, pick: int, auto_ack: bool, times: int) -> None:
        filled = self.filled()
        for _ in range(times):
            self.get_one(channel, filled[pick % len(filled)], auto_ack)

    def filled(self) -> list[str]:
        """Return the queues with ready messages that basic.get may look at (S84)."""
        queues = self.model.queues.values()
        return [q.name for q in queues if q.ready and not (q.spec.quorum and q.spec.single)]

    def get_one(self, channel: int, name: str, auto_ack: bool) -> None:
        method, properties, body = self.channels[channel].basic_get(name, auto_ack)
        expected = self.model.get(channel, name, auto_ack)
        if method is None:
            assert expected is None
            return
        self.saw(name, body or b"", properties, method.redelivered)
        shown = self.shown(body, method.exchange, method.routing_key, properties)
        assert (method.delivery_tag, method.redelivered, method.message_count, *shown) == expected

    # -- consuming

    @precondition(lambda self: self.theme.consumers)
    @rule(
        channel=channels,
        pick=picks,
        priority=st.sampled_from((0, 0, 0, 5, -2)),
        prefetch=st.sampled_from((0, 1, 1, 2, 3)),
        auto_ack=st.sampled_from((False, False, True)),
    )
    def consume(
        self, channel: int, pick: int, priority: int, prefetch: int, auto_ack: bool
    ) -> None:
        name = self.queue(pick)
        if len(self.model.queues[name].consumers()) >= 3:
            return
        self.tags += 1
        # Tags that do not sort as they were made: groups are settled by name.
        tag = f"{self.tags * 7 % 10}-{self.tags}"
        self.channels[channel].basic_qos(prefetch_count=prefetch)

        def on_message(_: Channel, method: Any, properties: Any, body: bytes) -> None:
            self.saw(name, body, properties, method.redelivered)
            shown = self.shown(body, method.exchange, method.routing_key, properties)
            told = (method.consumer_tag, method.delivery_tag, method.redelivered, *shown)
            self.told.append((channel, *told))

        arguments = {"x-priority": priority} if priority else {}
        self.channels[channel].basic_consume(
            name, on_message, auto_ack, consumer_tag=tag, arguments=arguments
        )
        self.model.consume(name, Subscriber(channel, tag, priority, prefetch, auto_ack))

    @precondition(lambda self: self.subscribed())
    @rule(pick=picks)
    def cancel(self, pick: int) -> None:
        subscribed = self.subscribed()
        channel, tag = subscribed[pick % len(subscribed)]
        self.channels[channel].basic_cancel(tag)
        self.model.cancel(channel, tag)

    def subscribed(self) -> list[tuple[int, str]]:
        """Return the consumers: channel and consumer tag."""
        return [(n, tag) for n, channel in self.model.channels.items() for tag in channel.consumers]

    # -- settling

    @precondition(lambda self: self.held())
    @rule(pick=picks, how=st.sampled_from(HOWS))
    def settle_one(self, pick: int, how: str) -> None:
        held = self.held()
        channel, tag = held[pick % len(held)]
        self.call(channel, how, tag, multiple=False)
        self.model.settle(channel, [tag], HOW[how])

    @precondition(lambda self: self.held())
    @rule(pick=picks, how=st.sampled_from(("ack", "nack", "nack_requeue")), all_=st.booleans())
    def settle_all_up_to(self, pick: int, how: str, all_: bool) -> None:
        held = self.held()
        channel, tag = held[pick % len(held)]
        self.call(channel, how, 0 if all_ else tag, multiple=True)
        settled = [known for of, known in held if of == channel and (known <= tag or all_)]
        self.model.settle(channel, settled, HOW[how])

    def held(self) -> list[tuple[int, int]]:
        """Return what is delivered and not settled: channel and delivery tag."""
        return [(n, tag) for n, channel in self.model.channels.items() for tag in channel.unacked]

    def recover(self, channel: int) -> None:
        self.channels[channel].basic_recover(requeue=True)
        self.model.settle(channel, list(self.model.channels[channel].unacked), "reject_requeue")

    # -- ends and time

    def close(self, channel: int) -> None:
        self.channels[channel].close()
        self.reopen(channel)

    def settle_what_was_never_delivered(self, channel: int) -> None:
        """S77: it closes the channel."""
        try:
            self.channels[channel].basic_ack(self.model.channels[channel].next_tag)
        except PreconditionFailed:
            self.reopen(channel)
        else:
            raise AssertionError("an unknown delivery tag was taken")

    def reopen(self, channel: int) -> None:
        self.channels[channel] = self.broker.channel()
        self.take_the_fitting_one(self.model.close(channel))

    @rule(
        name=names,
        spec=own_specs,
        channel=channels,
        what=st.sampled_from(("declare", "purge", "delete", "recover", "close", "settle nothing")),
    )
    def upheaval(self, name: str, spec: Spec, channel: int, what: str) -> None:
        """Do one of the rarer things: one rule for all, lest they drown the others."""
        there = name in self.model.queues
        if what == "declare" and not there:
            self.declare(name, spec)
        elif what == "purge" and there:
            self.purge(name)
        elif what == "delete" and there and len(self.model.queues) > 1:
            self.delete(name)
        elif what == "recover":
            self.recover(channel)
        elif what == "close":
            self.close(channel)
        elif what == "settle nothing":
            self.settle_what_was_never_delivered(channel)

    @rule(ms=st.sampled_from((0, 1, 1, 4, 5, 20)))
    def let_time_pass(self, ms: int) -> None:
        self.clock.advance(ms=ms)
        self.take_the_fitting_one(self.model.advance(ms))

    # -- comparing

    def take_the_fitting_one(self, worlds: Iterator[NaiveBroker]) -> None:
        first = None
        for world in worlds:
            differences = self.differences(world)
            if not differences:
                self.model = world
                return
            first = first or differences
        raise AssertionError(f"no world fits; the first differs: {first}")

    def differences(self, model: NaiveBroker) -> list[tuple[str, object, object]]:
        """Return what differs: what, here, in the model."""
        found: list[tuple[str, object, object]] = [
            ("queues", sorted(self.host.queues), sorted(model.queues)),
            ("told", self.told, model.told),
        ]
        for name in model.queues.keys() & self.host.queues.keys():
            queue, naive = self.host.queues[name], model.queues[name]
            ready = [(*letter.shown(), *_state(letter)) for letter in naive.ready]
            found.append((f"ready in {name}", self.ready(queue), ready))
            found.append((f"figures of {name}", self.figures(queue), _figures(naive)))
        return [difference for difference in found if difference[1] != difference[2]]

    def ready(self, queue: Queue) -> list[tuple[object, ...]]:
        return [
            (
                *self.shown(
                    entry.message.body,
                    entry.message.exchange,
                    entry.message.routing_key,
                    entry.message.properties,
                ),
                entry.redelivered,
                entry.expires_at_ms,
                entry.delivery_count,
            )
            for entry in queue.ready
        ]

    @staticmethod
    def shown(body: object, exchange: str, key: str, properties: Any) -> tuple[object, ...]:
        headers = properties.headers or {}
        return (body, exchange, key, properties.priority, properties.expiration, headers)

    @staticmethod
    def figures(queue: Queue) -> dict[str, object]:
        found = queue.statistics()
        return {
            "ready": (found.ready, found.ready_bytes),
            "unacked": (found.unacked, found.unacked_bytes),
            "published": found.published,
            "delivered": (found.delivered, found.redelivered),
            "acked": found.acked,
            "purged": found.purged,
            "refused": found.refused,
            "died": {reason: count for reason, count in found.died.items() if count},
            "consumers": sorted((c.tag, c.unacked, c.active) for c in found.consumers),
        }

    @invariant()
    def the_broker_is_as_the_model(self) -> None:
        differences = self.differences(self.model)
        assert not differences, "\n".join(
            f"{w}:\n  got  {g}\n  want {m}" for w, g, m in differences
        )
        self.told.clear()
        self.model.told.clear()

    @invariant()
    def the_broker_is_sound(self) -> None:
        self.broker.check()

    @invariant()
    def every_message_is_accounted_for(self) -> None:
        for queue in self.host.statistics().queues:
            gone = queue.acked + sum(queue.died.values()) + queue.purged
            assert queue.published == queue.ready + queue.unacked + queue.delayed + gone, queue

    def saw(self, queue: str, body: bytes, properties: Any, redelivered: bool) -> None:
        """Take note of a delivery: none comes twice without saying so."""
        deaths = sum(death["count"] for death in (properties.headers or {}).get("x-death", ()))
        assert redelivered == ((queue, body, deaths) in self.seen)
        self.seen.add((queue, body, deaths))

    # -- helpers

    def queue(self, pick: int) -> str:
        there: list[str] = sorted(self.model.queues)
        return there[pick % len(there)]

    def call(self, channel: int, how: str, tag: int, *, multiple: bool) -> None:
        on = self.channels[channel]
        if how == "ack":
            on.basic_ack(tag, multiple)
        elif how.startswith("nack"):
            on.basic_nack(tag, multiple, requeue=how == "nack_requeue")
        else:
            on.basic_reject(tag, requeue=how == "reject_requeue")


def _state(letter: Any) -> tuple[object, ...]:
    return (letter.redelivered, letter.expires_at, letter.returns)


def _figures(queue: Any) -> dict[str, object]:
    counts = queue.counts
    reasons = ("rejected", "expired", "maxlen", "delivery_limit")
    active = queue.active if queue.spec.single else None
    return {
        "ready": (len(queue.ready), queue.size()),
        "unacked": (len(queue.unacked), sum(len(letter.body) for letter in queue.unacked)),
        "published": counts["published"],
        "delivered": (counts["delivered"], counts["redelivered"]),
        "acked": counts["acked"],
        "purged": counts["purged"],
        "refused": counts["refused"],
        "died": {reason: counts[reason] for reason in reasons if counts[reason]},
        "consumers": sorted(
            (c.tag, c.unacked, not queue.spec.single or c is active) for c in queue.consumers()
        ),
    }


@pytest.mark.parametrize("theme", THEMES)
def test_the_broker_does_as_the_model_in_random_conversations(theme: str) -> None:
    """S71, S74, S77–S84, S87–S98, S101–S115: contents, order, figures, nothing lost or twice."""
    kind = type(f"ConversationAbout{theme.title()}", (Conversation,), {"theme": THEMES[theme]})
    run_state_machine_as_test(
        kind,
        settings=settings(
            max_examples=40 * FACTOR, stateful_step_count=50, deadline=None, print_blob=True
        ),
    )
