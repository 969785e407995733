"""Dead-lettering: reasons, where messages go, what they carry.

Statements: S96 S101 S102 S103 S104 S105 S106 S108 S109 S113 S115.
"""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

import pytest

from leveret import Properties
from leveret.engine import Permission, User

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.engine.conftest import Got, Make, Rig

    from leveret import Channel

TO_DEAD = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"}
DLX = {"x-dead-letter-exchange": "amq.fanout"}
#: The second at which the brokers' clocks begin.
BEGINNING = datetime.datetime.fromtimestamp(1_600_000_000, tz=datetime.UTC)


def reject(broker: Rig, queue: str = "q") -> None:
    """Take one message and refuse it for good."""
    channel = broker.channel()
    channel.basic_reject(broker.get(channel, queue).tag, requeue=False)


def one(broker: Rig, queue: str = "dead") -> Got:
    """Take out the only message of a queue."""
    [got] = broker.drained(queue)
    return got


# -- reasons


def nack(broker: Rig) -> None:
    channel = broker.channel()
    broker.get(channel, "q")
    channel.basic_nack(0, multiple=True, requeue=False)


def wait(broker: Rig) -> None:
    broker.advance(ms=10)


def nothing(_: Rig) -> None:
    pass


QUORUM = {"x-queue-type": "quorum", "x-delivery-limit": 0}


def give_back(broker: Rig) -> None:
    channel = broker.channel()
    channel.basic_reject(broker.get(channel, "q").tag)


REASONS: list[tuple[str, str, dict[str, Any], dict[str, Any], Callable[[Rig], None]]] = [
    ("S101 reject", "rejected", {}, {}, reject),
    ("S101 nack", "rejected", {}, {}, nack),
    ("S101 queue TTL", "expired", {"x-message-ttl": 10}, {}, wait),
    ("S101 queue TTL 0", "expired", {"x-message-ttl": 0}, {}, nothing),
    ("S101 expiration", "expired", {}, {"expiration": "10"}, wait),
    ("S101 expiration 0", "expired", {}, {"expiration": "0"}, nothing),
    ("S101 max-length", "maxlen", {"x-max-length": 0}, {}, nothing),
    ("S101 max-length-bytes", "maxlen", {"x-max-length-bytes": 0}, {}, nothing),
    (
        "S96 reject-publish-dlx",
        "maxlen",
        {"x-max-length": 0, "x-overflow": "reject-publish-dlx"},
        {},
        nothing,
    ),
    ("S101 quorum, rejected", "rejected", QUORUM, {}, reject),
    ("S101 quorum, delivery limit", "delivery_limit", QUORUM, {}, give_back),
    ("S101 quorum, expiration", "expired", QUORUM, {"expiration": "10"}, wait),
]


@pytest.mark.parametrize("profile", ["3.10", "3.13", "4.2", "4.3"])
@pytest.mark.parametrize(
    ("reason", "arguments", "properties", "die"),
    [c[1:] for c in REASONS],
    ids=[c[0] for c in REASONS],
)
def test_a_death_is_recorded(
    make: Make,
    profile: str,
    reason: str,
    arguments: dict[str, Any],
    properties: dict[str, Any],
    die: Callable[[Rig], None],
) -> None:
    """S103 and S105 too: every entry's fields, and the headers of the first and the last death."""
    broker = make(profile)
    broker.queue_declare("dead")
    broker.queue_declare("q", arguments=arguments | TO_DEAD)
    broker.put("q", "m", **properties)
    die(broker)
    got = one(broker)
    fields = {
        "count": 1,
        "reason": reason,
        "queue": "q",
        "time": BEGINNING,
        "exchange": "",
        "routing-keys": ["q"],
    }
    if properties:
        fields["original-expiration"] = properties["expiration"]
    expected = {
        "x-death": [fields],
        "x-first-death-reason": reason,
        "x-first-death-queue": "q",
        "x-first-death-exchange": "",
    }
    if profile != "3.10":
        expected |= {
            "x-last-death-reason": reason,
            "x-last-death-queue": "q",
            "x-last-death-exchange": "",
        }
    assert got.headers == expected
    assert got.properties.expiration is None
    assert (got.exchange, got.routing_key, got.redelivered) == ("", "dead", False)


@pytest.mark.parametrize(
    ("profile", "order"),
    [
        ("4.2", "original-expiration count reason queue time exchange routing-keys"),
        ("3.10", "count reason queue time exchange routing-keys original-expiration"),
    ],
    ids=["S103 4.2", "S103 live"],
)
def test_the_fields_of_a_first_death_have_an_order(make: Make, profile: str, order: str) -> None:
    broker = make(profile)
    broker.queue_declare("dead")
    broker.queue_declare("q", arguments=TO_DEAD)
    broker.put("q", "m", expiration="0")
    [entry] = one(broker).headers["x-death"]
    assert " ".join(entry) == order


def test_s103_seen_live_a_second_death_has_its_fields_in_the_order_of_their_names(
    old_broker: Rig,
) -> None:
    broker = old_broker
    broker.queue_declare("dead")
    broker.queue_declare("q", arguments=TO_DEAD)
    broker.queue_declare(
        "first", arguments={"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "q"}
    )
    broker.put("first", "m", expiration="0")
    reject(broker)
    second, first = one(broker).headers["x-death"]
    assert list(second) == sorted(second)
    assert next(iter(first)) == "count"


# -- a history of deaths


@pytest.mark.parametrize("profile", ["3.10", "3.13", "4.2", "4.3"])
def test_s102_a_repeated_death_is_counted_and_moves_to_the_front(make: Make, profile: str) -> None:
    broker = make(profile)
    to_retry = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "retry"}
    to_work = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "work"}
    broker.queue_declare("work", arguments=to_retry)
    broker.queue_declare("retry", arguments=to_work | {"x-message-ttl": 5000})
    broker.put("work", "m")
    counts = []
    for _ in range(3):
        reject(broker, "work")
        broker.advance(seconds=5)
        channel = broker.channel()
        deaths = broker.get(channel, "work").headers["x-death"]
        counts.append([(death["queue"], death["reason"], death["count"]) for death in deaths])
        channel.close()
    assert counts == [
        [("retry", "expired", count), ("work", "rejected", count)] for count in (1, 2, 3)
    ]
    times = [death["time"] for death in deaths]
    assert times == [BEGINNING + datetime.timedelta(seconds=5), BEGINNING]


def test_s102_the_same_queue_for_another_reason_is_another_entry(broker: Rig) -> None:
    broker.queue_declare("q", arguments={"x-dead-letter-exchange": ""})
    broker.put("q", "m")
    reject(broker)
    channel = broker.channel()
    properties = broker.get(channel, "q").properties
    assert properties.headers is not None
    broker.queue_declare("dead")
    broker.queue_declare("two", arguments=TO_DEAD)
    broker.queue_declare(
        "r", arguments={"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "two"}
    )
    broker.put("r", "m", expiration="0")
    reject(broker, "two")
    deaths = one(broker).headers["x-death"]
    assert [(death["queue"], death["reason"]) for death in deaths] == [
        ("two", "rejected"),
        ("r", "expired"),
    ]


@pytest.mark.parametrize("profile", ["3.13", "4.2"])
def test_s105_the_first_death_stays_and_the_last_one_changes(make: Make, profile: str) -> None:
    broker = make(profile)
    broker.queue_declare("dead")
    broker.queue_declare("two", arguments=TO_DEAD)
    broker.queue_declare("one", arguments={"x-dead-letter-exchange": "amq.direct"})
    broker.queue_bind("two", "amq.direct", "one")
    broker.put("one", "m", expiration="0")
    reject(broker, "two")
    headers = one(broker).headers
    assert [headers[f"x-first-death-{name}"] for name in ("reason", "queue", "exchange")] == [
        "expired",
        "one",
        "",
    ]
    assert [headers[f"x-last-death-{name}"] for name in ("reason", "queue", "exchange")] == [
        "rejected",
        "two",
        "amq.direct",
    ]


def test_s104_the_entry_says_how_it_was_published_with_cc_and_without_bcc(
    broker: Rig, channel: Channel
) -> None:
    broker.queue_declare("dead")
    broker.queue_declare("q", arguments=TO_DEAD)
    broker.queue_bind("q", "amq.topic", "a.#")
    properties = Properties(headers={"CC": ["c"], "BCC": ["b"]})
    channel.basic_publish("amq.topic", "a.b", "m", properties)
    reject(broker)
    [entry] = one(broker).headers["x-death"]
    assert (entry["exchange"], entry["routing-keys"]) == ("amq.topic", ["a.b", "c"])


@pytest.mark.parametrize("reason", ["expired", "rejected", "maxlen"])
def test_s106_an_expiration_does_not_follow_into_the_next_queue(broker: Rig, reason: str) -> None:
    broker.queue_declare("dead")
    limit: dict[str, Any] = {"x-max-length": 0} if reason == "maxlen" else {}
    broker.queue_declare("q", arguments=TO_DEAD | limit)
    broker.put("q", "m", expiration="1000", content_type="text/plain", headers={"a": 1})
    if reason == "rejected":
        reject(broker)
    broker.advance(seconds=100)
    got = one(broker)
    assert (got.properties.expiration, got.properties.content_type) == (None, "text/plain")
    assert got.headers["a"] == 1
    assert got.headers["x-death"][0]["original-expiration"] == "1000"


# -- where it goes


def test_s108_without_a_key_of_its_own_a_dead_message_keeps_all_its_keys(
    broker: Rig, channel: Channel
) -> None:
    for name in ("q", "copy", "blind"):
        broker.queue_declare(name, arguments={"x-dead-letter-exchange": ""} if name == "q" else {})
    properties = Properties(headers={"CC": ["copy"], "BCC": ["blind"]})
    channel.basic_publish("", "q", "m", properties)
    reject(broker)
    assert [len(broker.drained(name)) for name in ("q", "copy", "blind")] == [1, 2, 2]


def test_s108_with_a_key_it_has_that_key_alone_and_no_copies(broker: Rig, channel: Channel) -> None:
    broker.queue_declare("dead")
    broker.queue_declare("copy")
    broker.queue_declare("q", arguments=TO_DEAD)
    properties = Properties(headers={"CC": ["copy"], "BCC": ["copy"], "kept": 1})
    channel.basic_publish("", "q", "m", properties)
    reject(broker)
    got = one(broker)
    assert got.routing_key == "dead"
    assert {"CC", "BCC"} & set(got.headers) == set()
    assert got.headers["kept"] == 1
    assert broker.drain("copy") == ["m"]


def test_s109_a_dead_letter_exchange_is_looked_up_when_it_is_needed(broker: Rig) -> None:
    broker.queue_declare("q", arguments={"x-dead-letter-exchange": "later"})
    broker.put("q", "lost")
    reject(broker)
    broker.exchange_declare("later", "fanout")
    broker.put("q", "lost too")
    reject(broker)
    broker.queue_declare("dead")
    broker.queue_bind("dead", "later")
    broker.put("q", "kept")
    reject(broker)
    assert broker.drain("dead") == ["kept"]


def test_s113_the_publisher_has_no_part_in_it(broker: Rig) -> None:
    """Neither permissions, nor mandatory, nor confirms of the publisher count any more."""
    broker.queue_declare("q", arguments={"x-message-ttl": 5, "x-dead-letter-exchange": "dlx"})
    broker.exchange_declare("dlx", "fanout", internal=True)
    broker.queue_declare("full", arguments={"x-max-length": 0, "x-overflow": "reject-publish"})
    broker.users.add(User("writer"))
    broker.users.set_permission("writer", "/", Permission("", "^amq.default$", ""))
    channel = broker.connect(user="writer").channel()
    returns = broker.returns(channel)
    answers: list[tuple[int, bool, bool]] = []
    channel.confirm_delivery(lambda *answer: answers.append(answer))
    channel.basic_publish("", "q", "to nowhere", mandatory=True)
    broker.advance(ms=5)
    broker.queue_bind("full", "dlx")
    broker.queue_declare("dead")
    broker.queue_bind("dead", "dlx")
    channel.basic_publish("", "q", "to dead", mandatory=True)
    broker.advance(ms=5)
    assert returns == []
    assert answers == [(1, False, True), (2, False, True)]
    assert broker.drain("dead") == ["to dead"]


def test_s113_order_is_kept(broker: Rig, channel: Channel) -> None:
    broker.queue_declare("dead")
    broker.queue_declare("q", arguments=TO_DEAD)
    broker.put("q", *"012345")
    broker.take(channel, "q", 6)
    channel.basic_nack(2, requeue=False)
    channel.basic_nack(5, multiple=True, requeue=False)
    channel.basic_nack(6, requeue=False)
    assert broker.drain("dead") == ["1", "0", "2", "3", "4", "5"]


@pytest.mark.parametrize("how", ["purge", "delete"])
def test_s115_what_is_thrown_away_is_not_dead_lettered(broker: Rig, how: str) -> None:
    broker.queue_declare("dead")
    broker.queue_declare("q", arguments=TO_DEAD)
    broker.put("q", "1", "2")
    if how == "purge":
        broker.queue_purge("q")
    else:
        broker.queue_delete("q")
    assert broker.drain("dead") == []
