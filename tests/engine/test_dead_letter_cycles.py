"""Dead-letter cycles.

Statements: S110 S111 S112.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.engine.conftest import Make, Rig

    from leveret.engine import Event


def to(queue: str, **arguments: Any) -> dict[str, Any]:
    """Return arguments of a queue that dead-letters to another."""
    more = {f"x-{name.replace('_', '-')}": value for name, value in arguments.items()}
    return {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": queue} | more


def reject(broker: Rig, queue: str) -> None:
    channel = broker.channel()
    channel.basic_reject(broker.get(channel, queue).tag, requeue=False)
    channel.close()


def cycles(broker: Rig) -> int:
    """Return how many messages were dropped for going in circles."""
    return broker.statistics().virtual_hosts[0].dead_letter_cycles


PROFILES = ["3.10", "3.13", "4.2", "4.3"]


@pytest.mark.parametrize("profile", PROFILES)
def test_s110_a_circle_of_times_to_live_ends(make: Make, profile: str) -> None:
    broker = make(profile)
    broker.queue_declare("a", arguments=to("b", message_ttl=10))
    broker.queue_declare("b", arguments=to("a", message_ttl=10))
    broker.put("a", "m")
    broker.advance(ms=10)
    assert (broker.depth("a"), broker.depth("b"), cycles(broker)) == (0, 1, 0)
    broker.advance(ms=10)
    assert (broker.depth("a"), broker.depth("b"), cycles(broker)) == (0, 0, 1)


@pytest.mark.parametrize("profile", PROFILES)
def test_s111_a_queue_that_dead_letters_to_itself_loses_what_expires(
    make: Make, profile: str
) -> None:
    broker = make(profile)
    broker.queue_declare("a", arguments=to("a", message_ttl=10))
    broker.put("a", "m")
    broker.advance(ms=100)
    assert (broker.depth("a"), cycles(broker)) == (0, 1)


@pytest.mark.parametrize("profile", PROFILES)
def test_s110_and_what_is_dropped_from_its_head(make: Make, profile: str) -> None:
    broker = make(profile)
    broker.queue_declare("a", arguments=to("a", max_length=1))
    broker.put("a", "0", "1", "2")
    assert broker.drain("a") == ["2"]


@pytest.mark.parametrize("profile", PROFILES)
def test_s110_but_not_what_is_rejected(make: Make, profile: str) -> None:
    broker = make(profile)
    broker.queue_declare("a", arguments=to("a"))
    broker.put("a", "m")
    for _ in range(3):
        reject(broker, "a")
    [got] = broker.drained("a")
    assert [death["count"] for death in got.headers["x-death"]] == [3]
    assert cycles(broker) == 0


# In 3.10 the older deaths come out in reverse order (`group_by_queue_and_reason` conses them), so
# that with three deaths on record the rule looks at the wrong part of the history.


@pytest.mark.parametrize(("profile", "passes"), [("3.10", False), ("3.13", True), ("4.2", True)])
def test_s110_a_reject_anywhere_on_the_way_back_lets_it_pass(
    make: Make, profile: str, passes: bool
) -> None:
    broker = make(profile)
    broker.queue_declare("a", arguments=to("b", message_ttl=10))
    broker.queue_declare("b", arguments=to("c"))
    broker.queue_declare("c", arguments=to("a", message_ttl=10))
    broker.put("a", "m")
    broker.advance(ms=10)
    reject(broker, "b")
    broker.advance(ms=10)
    assert (broker.depth("a"), cycles(broker)) == ((1, 0) if passes else (0, 1))


@pytest.mark.parametrize(("profile", "passes"), [("3.10", True), ("3.13", False), ("4.2", False)])
def test_s110_a_reject_before_the_circle_began_does_not(
    make: Make, profile: str, passes: bool
) -> None:
    broker = make(profile)
    broker.queue_declare("start", arguments=to("a"))
    broker.queue_declare("a", arguments=to("b", message_ttl=10))
    broker.queue_declare("b", arguments=to("a", message_ttl=10))
    broker.put("start", "m")
    reject(broker, "start")
    broker.advance(ms=20)
    assert broker.depth("b") == 0
    assert (broker.depth("a"), cycles(broker)) == ((1, 0) if passes else (0, 1))


def test_s112_another_reason_is_the_same_circle(broker: Rig) -> None:
    broker.queue_declare("a", arguments=to("b", max_length=0))
    broker.queue_declare("b", arguments=to("a", message_ttl=10))
    broker.put("a", "m")
    broker.advance(ms=10)
    assert (broker.depth("a"), broker.depth("b"), cycles(broker)) == (0, 0, 1)


def test_s110_only_the_queue_of_the_circle_is_left_out(broker: Rig) -> None:
    broker.exchange_declare("dlx", "fanout")
    broker.queue_declare("a", arguments={"x-dead-letter-exchange": "dlx", "x-message-ttl": 10})
    broker.queue_declare("other")
    for queue in ("a", "other"):
        broker.queue_bind(queue, "dlx")
    broker.put("a", "m")
    broker.advance(ms=10)
    assert (broker.depth("a"), broker.drain("other"), cycles(broker)) == (0, ["m"], 1)


def test_s110_a_circle_is_an_event_that_names_its_queues(broker: Rig) -> None:
    heard: list[Event] = []
    broker.queue_declare("a", arguments=to("b", message_ttl=10))
    broker.queue_declare("b", arguments=to("a", message_ttl=10))
    broker.put("a", "m")
    broker.events.subscribe(heard.append)
    broker.advance(ms=20)
    [event] = [event for event in heard if event.name == "message.dead_letter_cycle"]
    assert event.fields["queues"] == ["a", "b", "a"]


def test_s110_a_long_way_of_many_queues_is_walked_without_recursion(broker: Rig) -> None:
    for number in range(2000):
        broker.queue_declare(f"q{number}", arguments=to(f"q{number + 1}", message_ttl=0))
    broker.queue_declare("q2000")
    broker.put("q0", "m")
    [got] = broker.drained("q2000")
    assert len(got.headers["x-death"]) == 2000
