"""An `x-death` header that a client sends in, when its message dies.

Statements: S105 S107.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.engine.conftest import Make, Rig

TO_DEAD = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"}


def dies(broker: Rig, sent: Any) -> dict[str, Any]:
    """Publish a message with an `x-death` header, reject it; return its headers as it lands."""
    broker.queue_declare("dead")
    broker.queue_declare("q", arguments=TO_DEAD)
    broker.put("q", "m", headers={"x-death": sent})
    channel = broker.channel()
    channel.basic_reject(broker.get(channel, "q").tag, requeue=False)
    [got] = broker.drained("dead")
    return got.headers


SENT_IN: list[tuple[str, Any, list[tuple[str, str, int]]]] = [
    ("of another queue", [{"queue": "o", "reason": "expired", "count": 3}], [("o", "expired", 3)]),
    ("of none", [], []),
    ("that is no array", "garbage", []),
]


@pytest.mark.parametrize(
    ("sent", "kept"), [c[1:] for c in SENT_IN], ids=[f"S107 {c[0]}" for c in SENT_IN]
)
@pytest.mark.parametrize("profile", ["3.10", "3.13", "4.2", "4.3"])
def test_an_x_death_header_that_a_client_sends(
    make: Make, profile: str, sent: Any, kept: list[tuple[str, str, int]]
) -> None:
    headers = dies(make(profile), sent)
    deaths = [(death["queue"], death["reason"], death["count"]) for death in headers["x-death"]]
    merged = profile in ("3.10", "3.13")
    assert deaths == [("q", "rejected", 1), *(kept if merged else [])]


@pytest.mark.parametrize(
    ("profile", "count", "exchange"), [("3.10", 4, "e"), ("3.13", 4, "e"), ("4.2", 1, "")]
)
def test_s107_one_of_the_same_death_is_counted_on_where_it_is_trusted(
    make: Make, profile: str, count: int, exchange: str
) -> None:
    death = {"queue": "q", "reason": "rejected", "count": 3, "exchange": "e", "routing-keys": ["k"]}
    [entry] = dies(make(profile), [death])["x-death"]
    assert (entry["count"], entry["exchange"]) == (count, exchange)


def test_s105_seen_live_a_death_sent_in_counts_as_the_first(old_broker: Rig) -> None:
    assert list(dies(old_broker, [])) == ["x-death"]
