"""What a death leaves in a message's headers, and which message may not enter a queue again."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leveret.engine.profile import PROFILES
from leveret.properties import Properties
from leveret.queues import Message
from leveret.queues.dead_letter import cycle, is_cycle, record_death

NOW_MS = 1_600_000_123_456
NOW = datetime.datetime.fromtimestamp(1_600_000_123, tz=datetime.UTC)

VERSIONS = ["3.10", "3.13", "4.2", "4.3"]
NEWER = ["3.13", "4.2", "4.3"]
RULES = {version: PROFILES[version].deaths for version in VERSIONS}

queues = st.sampled_from("abc")
reasons = st.sampled_from(("rejected", "expired", "maxlen", "delivery_limit"))
deaths = st.lists(st.tuples(queues, reasons), max_size=12)
#: Entries as a client might send them in.
entries = st.lists(
    st.fixed_dictionaries(
        {"queue": queues, "reason": reasons}, optional={"count": st.integers(1, 5)}
    ),
    max_size=5,
)

Entry = dict[str, Any]


def message(headers: Entry | None = None, **properties: Any) -> Message:
    return Message("x", "k", Properties(headers=headers, **properties), b"body")


def died(of: Message, queue: str, reason: str, version: str, now_ms: int = NOW_MS) -> Message:
    dead = record_death(of, queue, reason, now_ms, RULES[version])
    assert isinstance(dead, Message)
    return dead


def headers_of(dead: Message) -> Entry:
    assert dead.properties.headers is not None
    return dead.properties.headers


def x_death(dead: Message) -> list[Entry]:
    found: Any = headers_of(dead)["x-death"]
    return list(found)


def key(entry: Entry) -> tuple[object, object]:
    return entry.get("queue"), entry.get("reason")


# -- one death


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("reason", ["rejected", "expired", "maxlen", "delivery_limit"])
def test_s101_s103_s105_the_first_death(version: str, reason: str) -> None:
    """S101, S103, S105: one entry, and the headers that tell of the first death (and the last)."""
    dead = died(message({"a": 1}), "q", reason, version)
    last = {"x-last-death-reason": reason, "x-last-death-queue": "q", "x-last-death-exchange": "x"}
    assert headers_of(dead) == {
        "a": 1,
        "x-death": [
            {
                "count": 1,
                "reason": reason,
                "queue": "q",
                "time": NOW,
                "exchange": "x",
                "routing-keys": ["k"],
            }
        ],
        "x-first-death-reason": reason,
        "x-first-death-queue": "q",
        "x-first-death-exchange": "x",
    } | (last if version in NEWER else {})


FIELDS = ["count", "reason", "queue", "time", "exchange", "routing-keys"]


@pytest.mark.parametrize(
    ("version", "fields"),
    [("3.10", [*FIELDS, "original-expiration"])]
    + [(version, ["original-expiration", *FIELDS]) for version in NEWER],
)
def test_s103_s106_an_entry_keeps_the_expiration_that_the_message_loses(
    version: str, fields: list[str]
) -> None:
    """S103, S106: for whatever reason it died; the fields stand in RabbitMQ's order."""
    living = message(expiration="60000", priority=3, message_id="m")
    living.expiration_ms = 60000
    dead = died(living, "q", "rejected", version)
    (entry,) = x_death(dead)
    assert entry["original-expiration"] == "60000"
    assert list(entry) == fields
    assert dead.properties.expiration is None
    assert dead.expiration_ms is None
    assert (dead.properties.priority, dead.properties.message_id) == (3, "m")


@pytest.mark.parametrize("version", VERSIONS)
def test_s104_the_routing_keys_are_those_it_was_published_with_and_cc(version: str) -> None:
    """S104: what stands in CC and is no string is no key; BCC is gone from the headers by then."""
    living = message({"CC": ["c1", 5, "c2"]})
    living.extra_keys = ("c1", "c2", "bcc")
    (entry,) = x_death(died(living, "q", "rejected", version))
    assert entry["routing-keys"] == ["k", "c1", "c2"]


@pytest.mark.parametrize("version", VERSIONS)
def test_the_message_that_died_is_not_changed(version: str) -> None:
    headers: Entry = {"a": [1]}
    living = message(headers, expiration="5")
    died(living, "q", "expired", version)
    assert headers == {"a": [1]}
    assert living.properties.expiration == "5"
    assert not living.died


# -- many deaths


def as_in_3_10(new: Entry, older: list[Entry]) -> list[Entry]:
    """Merge as `rabbit_dead_letter:update_x_death_header` does.

    Two or more older entries are first grouped by queue and reason, which turns them round.
    """
    if len(older) > 1:
        grouped: list[Entry] = []
        for entry in older:
            alike = [other for other in older if key(other) == key(entry)]
            if not any(key(other) == key(entry) for other in grouped):
                grouped.insert(0, {"count": len(alike)} | alike[0])
        older = grouped
    again = [entry for entry in older if key(entry) == key(new)]
    others = [entry for entry in older if key(entry) != key(new)]
    if again:
        new = again[0] | {"count": again[0].get("count", 0) + 1}
    return [new, *others]


def moved_to_front(new: Entry, older: list[Entry]) -> list[Entry]:
    """Merge as `mc:record_death` does: one entry for a queue and a reason, most recent first."""
    again = [entry for entry in older if key(entry) == key(new)]
    others = [entry for entry in older if key(entry) != key(new)]
    return [again[0] | {"count": again[0]["count"] + 1} if again else new, *others]


@pytest.mark.parametrize("version", VERSIONS)
@settings(print_blob=True)
@given(deaths)
def test_s102_s105_any_history_of_deaths(version: str, history: list[tuple[str, str]]) -> None:
    """S102, S105: counts grow, the repeated entry moves to the front, the first death stays."""
    living = message()
    expected: list[Entry] = []
    for number, (queue, reason) in enumerate(history):
        now_ms = NOW_MS + 1000 * number
        new = {
            "count": 1,
            "reason": reason,
            "queue": queue,
            "time": datetime.datetime.fromtimestamp(now_ms // 1000, tz=datetime.UTC),
            "exchange": "x",
            "routing-keys": ["k"],
        }
        expected = (as_in_3_10 if version == "3.10" else moved_to_front)(new, expected)
        living = died(living, queue, reason, version, now_ms)
        assert x_death(living) == expected
    if history:
        headers = headers_of(living)
        assert (headers["x-first-death-queue"], headers["x-first-death-reason"]) == history[0]
        if version in NEWER:
            assert (headers["x-last-death-queue"], headers["x-last-death-reason"]) == history[-1]
        assert sum(entry["count"] for entry in x_death(living)) == len(history)


@settings(print_blob=True)
@given(entries, queues, reasons)
def test_s107_in_3_10_the_deaths_that_a_client_sends_are_counted_on(
    sent: list[Entry], queue: str, reason: str
) -> None:
    """S107: merged, entries of the same queue and reason made one, and no first death is told."""
    dead = died(message({"x-death": sent}), queue, reason, "3.10")
    new = {
        "count": 1,
        "reason": reason,
        "queue": queue,
        "time": NOW,
        "exchange": "x",
        "routing-keys": ["k"],
    }
    assert headers_of(dead) == {"x-death": as_in_3_10(new, sent)}


@pytest.mark.parametrize("version", ["3.10", "3.13"])
def test_s107_seen_live_a_client_s_entry_of_the_same_death_is_raised(version: str) -> None:
    """S107."""
    sent = {"count": 3, "queue": "q", "reason": "rejected", "exchange": "e", "routing-keys": ["r"]}
    dead = died(message({"x-death": [sent]}), "q", "rejected", version)
    assert x_death(dead) == [sent | {"count": 4}]


@pytest.mark.parametrize("version", ["4.2", "4.3"])
@settings(print_blob=True)
@given(entries, queues, reasons)
def test_s107_newer_versions_replace_what_a_client_sends(
    version: str, sent: list[Entry], queue: str, reason: str
) -> None:
    """S107: the array is a fresh one, and so are the headers of the first death."""
    headers = {"x-death": sent, "x-first-death-queue": "mine"}
    dead = died(message(headers), queue, reason, version)
    (entry,) = x_death(dead)
    assert (entry["queue"], entry["reason"], entry["count"]) == (queue, reason, 1)
    assert headers_of(dead)["x-first-death-queue"] == queue


@pytest.mark.parametrize("version", VERSIONS)
def test_an_x_death_that_is_no_array_is_replaced(version: str) -> None:
    dead = died(
        message({"x-death": "garbage", "x-first-death-queue": "mine"}), "q", "expired", version
    )
    (entry,) = x_death(dead)
    assert (entry["queue"], entry["count"]) == ("q", 1)
    if version == "3.10":  # seen live
        assert headers_of(dead)["x-first-death-queue"] == "mine"


# -- cycles


def circles(history: list[Entry], reason: str, target: str) -> bool:
    """Say so as `rabbit_dead_letter:is_cycle` does, with a split and a search."""
    places = [place for place, entry in enumerate(history) if entry.get("queue") == target]
    if reason == "rejected" or not places:
        return False
    return all(entry.get("reason") != "rejected" for entry in history[: places[0] + 1])


@settings(print_blob=True)
@given(entries, reasons, queues)
def test_s110_s112_a_cycle_without_a_rejection(
    history: list[Entry], reason: str, target: str
) -> None:
    """S110, S112: only the names of queues count, and a rejection in the circle opens it."""
    assert is_cycle(message({"x-death": history}), reason, target) == circles(
        history, reason, target
    )


@pytest.mark.parametrize(
    ("history", "reason", "target", "expected"),
    [
        ([], "expired", "a", False),
        ([("a", "expired")], "expired", "a", True),
        ([("a", "expired")], "maxlen", "a", True),
        ([("a", "expired")], "rejected", "a", False),
        ([("a", "rejected")], "expired", "a", False),
        ([("b", "expired"), ("a", "expired")], "expired", "a", True),
        ([("b", "rejected"), ("a", "expired")], "expired", "a", False),
        ([("b", "expired"), ("a", "rejected")], "expired", "a", False),
        # A rejection before the circle began does not open it.
        ([("b", "expired"), ("a", "expired"), ("c", "rejected")], "expired", "a", True),
        ([("b", "expired")], "expired", "a", False),
        ([("a", "delivery_limit")], "expired", "a", True),
    ],
)
def test_s110_s111_cases(
    history: list[tuple[str, str]], reason: str, target: str, expected: bool
) -> None:
    """S110, S111; histories with the most recent death first."""
    header = [{"queue": queue, "reason": why, "count": 1} for queue, why in history]
    assert is_cycle(message({"x-death": header}), reason, target) is expected


def test_a_message_that_never_died_is_in_no_cycle() -> None:
    assert not is_cycle(message(), "expired", "a")
    assert not is_cycle(message({"x-death": "garbage"}), "expired", "a")


def test_the_circle_is_told_with_the_most_recent_death_first() -> None:
    header = [{"queue": "b", "reason": "expired"}, {"queue": "a", "reason": "expired"}]
    assert list(cycle(message({"x-death": header}), "a")) == ["a", "b", "a"]
