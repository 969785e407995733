"""Time in the engine: deadlines in order, stepwise, on whatever clock the broker has.

Statements: S88.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from leveret import Broker, ManualClock, SystemClock
from leveret.engine.timers import Timers

if TYPE_CHECKING:
    from tests.engine.conftest import Rig

    from leveret.engine import Event


class SetClock:
    """A clock that is set, and moves no broker."""

    def __init__(self) -> None:
        self.present_ms = 5_000

    def now_ms(self) -> int:
        return self.present_ms


def to(queue: str, ttl_ms: int) -> dict[str, Any]:
    return {
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": queue,
        "x-message-ttl": ttl_ms,
    }


def test_s88_one_long_step_stops_at_each_deadline_on_the_way(broker: Rig) -> None:
    heard: list[Event] = []
    broker.queue_declare("ten", arguments=to("five", 10_000))
    broker.queue_declare("five", arguments=to("end", 5_000))
    broker.queue_declare("end")
    broker.put("ten", "m")
    begin_ms = broker.clock.now_ms()
    broker.events.subscribe(heard.append)
    broker.advance(seconds=60)
    expired = [event for event in heard if event.name == "message.expired"]
    assert [(event.fields["queue"], event.time_ms - begin_ms) for event in expired] == [
        ("ten", 10_000),
        ("five", 15_000),
    ]
    [got] = broker.drained("end")
    times = [death["time"].timestamp() * 1000 - begin_ms for death in got.headers["x-death"]]
    assert times == [15_000, 10_000]
    assert broker.clock.now_ms() == begin_ms + 60_000


def test_time_stands_still_until_it_is_moved_and_only_moves_forward() -> None:
    clock = ManualClock()
    before_ms = clock.now_ms()
    assert clock.now_ms() == before_ms
    clock.advance(seconds=0.25, ms=5)
    assert clock.now_ms() == before_ms + 255
    with pytest.raises(ValueError, match="a clock only moves forward, got -1 ms"):
        clock.advance(ms=-1)


def _note(noted: list[str], name: str, _: Event) -> None:
    noted.append(name)


def test_brokers_on_one_clock_are_moved_together() -> None:
    clock = ManualClock()
    first, second = Broker(clock=clock), Broker(clock=clock)
    for broker, ttl_ms in ((first, 20), (second, 10)):
        broker.queue_declare("q", arguments={"x-message-ttl": ttl_ms})
        broker.basic_publish("", "q", "m")
    ended: list[str] = []
    for name, broker in (("first", first), ("second", second)):
        broker.events.subscribe(partial(_note, ended, name))
    clock.advance(ms=20)
    assert ended == ["second", "first"]


def test_on_any_other_clock_what_is_due_is_done_when_asked() -> None:
    clock = SetClock()
    broker = Broker(clock=clock)
    broker.queue_declare("q", arguments={"x-message-ttl": 100})
    assert broker.next_deadline_ms() is None
    broker.basic_publish("", "q", "m")
    assert broker.next_deadline_ms() == 5_100
    clock.present_ms = 5_099
    broker.run_due()
    assert broker.queue_declare("q", passive=True).message_count == 1
    clock.present_ms = 9_000
    assert broker.next_deadline_ms() == 5_100
    broker.run_due()
    assert broker.queue_declare("q", passive=True).message_count == 0
    assert broker.next_deadline_ms() is None


def test_an_overdue_message_is_not_delivered_even_before_it_was_asked() -> None:
    clock = SetClock()
    broker = Broker(clock=clock)
    broker.queue_declare("q", arguments={"x-message-ttl": 100})
    broker.basic_publish("", "q", "m")
    clock.present_ms = 9_000
    assert broker.basic_get("q") == (None, None, None)


def test_the_system_clock_is_real_time_that_never_goes_back() -> None:
    clock = SystemClock()
    times = [clock.now_ms() for _ in range(1000)]
    assert times == sorted(times)
    assert times[0] > 1_700_000_000_000
    assert isinstance(Broker().clock, SystemClock)


def test_deadlines_run_in_order_and_those_of_one_moment_as_they_were_made() -> None:
    timers = Timers()
    ran: list[str] = []
    for deadline_ms, name in ((30, "c"), (10, "a"), (30, "d"), (20, "b")):
        timers.call_at(deadline_ms, partial(ran.append, name))
    assert timers.next_deadline_ms() == 10
    assert timers.pop_due(9) is None
    while (call := timers.pop_due(30)) is not None:
        call()
    assert ran == ["a", "b", "c", "d"]
    assert timers.next_deadline_ms() is None
