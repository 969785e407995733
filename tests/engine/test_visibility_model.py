"""Any conversation with queues whose deliveries expire, beside a model that knows only lists."""

from __future__ import annotations

from typing import Any

from attrs import define
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from leveret import Broker, ManualClock
from leveret.errors import PreconditionFailed


@define
class Out:
    """A delivery that is out: of which message, and until when."""

    number: int
    until_ms: int


class Visibility(RuleBasedStateMachine):
    """One queue, one channel that gets, in any order and time."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock(0)
        self.broker = Broker(clock=self.clock)
        self.broker.queue_declare("q", arguments={"x-visibility-timeout": 10})
        self.channel = self.broker.channel()
        self.published = 0
        # message -> how often it was delivered
        self.ready: dict[int, int] = {}
        # delivery tag -> what is out under it
        self.out: dict[int, Out] = {}
        self.times: dict[int, int] = {}
        # tags that expired and were not settled since
        self.expired: set[int] = set()

    @rule(count=st.integers(1, 3))
    def publish(self, count: int) -> None:
        for _ in range(count):
            self.broker.basic_publish("", "q", str(self.published))
            self.ready[self.published] = 0
            self.published += 1

    @rule()
    def get(self) -> None:
        method, _, body = self.channel.basic_get("q")
        if not self.ready:
            assert method is None
            return
        number = min(self.ready)
        times = self.ready.pop(number)
        assert method is not None
        assert (body, method.redelivered) == (str(number).encode(), times > 0)
        self.out[method.delivery_tag] = Out(number, self.clock.now_ms() + 10)
        self.times[number] = times + 1

    @rule(ms=st.integers(0, 12))
    def wait(self, ms: int) -> None:
        self.clock.advance(ms=ms)
        for tag, out in list(self.out.items()):
            if out.until_ms <= self.clock.now_ms():
                del self.out[tag]
                self.expired.add(tag)
                self.ready[out.number] = self.times[out.number]

    @rule(pick=st.integers(0, 30), ms=st.integers(1, 20))
    def extend(self, pick: int, ms: int) -> None:
        assert self.channel.extend(pick, ms) == (pick in self.out)
        if pick in self.out:
            self.out[pick].until_ms = self.clock.now_ms() + ms

    @rule(pick=st.integers(1, 30), how=st.sampled_from(["ack", "requeue", "reject"]))
    def settle(self, pick: int, how: str) -> None:
        if pick not in self.out and pick not in self.expired:
            return
        if how == "ack":
            self.channel.basic_ack(pick)
        else:
            self.channel.basic_nack(pick, requeue=how == "requeue")
        self.expired.discard(pick)
        out = self.out.pop(pick, None)
        if out is not None and how == "requeue":
            self.ready[out.number] = self.times[out.number]

    @rule(pick=st.integers(1, 30))
    def ack_up_to(self, pick: int) -> None:
        if pick not in self.out and pick not in self.expired:
            return
        self.channel.basic_ack(pick, multiple=True)
        self.out = {tag: out for tag, out in self.out.items() if tag > pick}
        self.expired = {tag for tag in self.expired if tag > pick}

    @rule(pick=st.integers(1, 30))
    def settle_what_never_was(self, pick: int) -> None:
        if pick in self.out or pick in self.expired:
            return
        try:
            self.channel.basic_ack(pick)
        except PreconditionFailed:
            pass
        else:
            raise AssertionError(f"tag {pick} was taken")
        for out in self.out.values():
            self.ready[out.number] = self.times[out.number]
        self.out, self.expired = {}, set()
        self.channel = self.broker.channel()

    @invariant()
    def agrees(self) -> None:
        statistics = self.broker.statistics()
        assert (statistics.ready, statistics.unacked) == (len(self.ready), len(self.out))
        assert all(self.channel.is_held(tag) for tag in self.out)
        assert not any(self.channel.is_held(tag) for tag in self.expired)
        self.broker.check()


TestVisibility: Any = Visibility.TestCase
TestVisibility.settings = settings(deadline=None, stateful_step_count=40)
