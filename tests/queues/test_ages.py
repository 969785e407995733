"""The age of the oldest message is told from marks, exact to what they promise."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

import leveret
from leveret.queues.ages import Ages


@settings(print_blob=True)
@given(st.lists(st.floats(0.0, 50.0), min_size=1, max_size=400), st.integers(8, 64))
def test_an_age_is_never_too_small_and_little_too_large(gaps: list[float], most: int) -> None:
    ages = Ages(most)
    came_at, now_s = [], 0.0
    for position, gap in enumerate(gaps):
        now_s += gap
        ages.mark(position, now_s)
        came_at.append(now_s)
        ages.check()
    for position, real in enumerate(came_at):
        told = ages.came_at_s(position)
        assert told is not None
        assert told <= real


def test_marks_that_are_thinned_out_stay_near_for_steady_messages() -> None:
    ages = Ages()
    for position in range(100_000):
        ages.mark(position, float(position))
    for position in range(0, 100_000, 997):
        told = ages.came_at_s(position)
        assert told is not None
        assert 0 <= position - told <= 0.1 * (100_000 - position) + 1


def oldest(broker: leveret.Broker) -> int | None:
    return broker.virtual_hosts["/"].queues["q"].statistics().oldest_age_ms


def test_the_oldest_message_ages_with_the_clock() -> None:
    clock = leveret.ManualClock()
    broker = leveret.Broker(clock=clock)
    broker.queue_declare("q")
    assert oldest(broker) is None
    broker.basic_publish("", "q", "a")
    clock.advance(seconds=10)
    broker.basic_publish("", "q", "b")
    clock.advance(ms=50)
    assert oldest(broker) == 10_050
    method, _, _ = broker.basic_get("q")
    assert oldest(broker) == 50
    assert method is not None
    clock.advance(seconds=5)
    broker.basic_nack(method.delivery_tag)
    assert oldest(broker) == 15_050, "what comes back is as old as it is"
    broker.queue_purge("q")
    assert oldest(broker) is None
    broker.basic_publish("", "q", "c")
    assert oldest(broker) == 0
    assert broker.statistics().virtual_hosts[0].queues[0].messages == 1


def test_a_broker_in_real_time_knows_ages_from_when_it_is_asked() -> None:
    broker = leveret.Broker()
    broker.queue_declare("q")
    broker.basic_publish("", "q", "a")
    assert oldest(broker) is None
    assert broker.statistics().virtual_hosts[0].queues[0].oldest_age_ms is not None
    broker.queue_declare("q2")
    broker.basic_publish("", "q2", "a")
    assert broker.statistics().virtual_hosts[0].queues[1].oldest_age_ms is not None
