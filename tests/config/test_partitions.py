"""`partitions: 8, by: header user_id`: what two words make, and what may be said of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from leveret import Broker, ManualClock, Properties
from leveret.config import (
    Alert,
    BindingDeclaration,
    ExchangeDeclaration,
    QueueDeclaration,
    Topology,
    loads,
)
from leveret.config.expand import expand_to_json
from leveret.config.importing import import_definitions

if TYPE_CHECKING:
    from leveret.properties import FieldValue

TEXT = """
exchanges: {users: topic}
queues:
  mails: {partitions: 3, by: header user_id, ttl: 1h, dead_letter: true}
  mails.dlq: {max_length: 1_000}
bindings: ["users[user.#] -> mails"]
subscriptions: {send: {queue: mails, retry: 3}}
alerts: {backlog: {queue: mails, ready: "> 100"}}
expect:
  - {publish: {exchange: users, routing_key: user.new, headers: {user_id: 7}}, reaches: [mails]}
  - {publish: {exchange: mails, headers: {user_id: 8}}, reaches: [mails]}
  - {expires: {queue: mails}, reaches: [mails.dlq]}
"""
PARTS = ("mails.1", "mails.2", "mails.3")


@pytest.fixture(scope="module")
def topology() -> Topology:
    return loads(TEXT, "t.yaml", environment={})


def test_two_words_make_an_exchange_and_queues_bound_to_it(topology: Topology) -> None:
    host = topology.virtual_hosts["/"]
    assert host.exchanges["mails"] == ExchangeDeclaration(
        "mails", "x-consistent-hash", arguments={"hash-header": "user_id"}
    )
    arguments: dict[str, FieldValue] = {
        "x-message-ttl": 3_600_000,
        "x-dead-letter-exchange": "mails.dlx",
        "x-single-active-consumer": True,
    }
    assert [host.queues[name] for name in PARTS] == [
        QueueDeclaration(name, arguments=arguments) for name in PARTS
    ]
    assert "mails" not in host.queues
    assert host.partitions == {"mails": PARTS}
    assert host.bindings == [
        BindingDeclaration("users", "mails", "exchange", "user.#"),
        *(BindingDeclaration("mails", name, "queue", "1") for name in PARTS),
        BindingDeclaration("mails.dlx", "mails.dlq"),
    ]


def test_each_part_has_an_alert(topology: Topology) -> None:
    assert list(topology.virtual_hosts["/"].alerts.values()) == [
        Alert(f"backlog.{number}", name, "ready", ">", 100) for number, name in enumerate(PARTS, 1)
    ]
    assert topology.virtual_hosts["/"].subscriptions["send"].queue == "mails"


@pytest.mark.parametrize(
    ("by", "arguments"),
    [
        ("routing_key", {}),
        ("header user id", {"hash-header": "user id"}),
        ("' property  correlation_id '", {"hash-property": "correlation_id"}),
        ("property message_id", {"hash-property": "message_id"}),
    ],
)
def test_what_decides_is_the_exchanges_argument(by: str, arguments: dict[str, str]) -> None:
    host = loads(f"queues: {{mails: {{partitions: 1, by: {by}}}}}").virtual_hosts["/"]
    assert host.exchanges["mails"].arguments == arguments


def test_nothing_is_found_wrong_with_it(topology: Topology) -> None:
    assert topology.check() == []


def test_what_is_said_of_a_part_is_said_once() -> None:
    found = loads("queues: {q: {partitions: 8, by: routing_key}}").check(notes=True)
    assert [one.code for one in found] == ["L10"]


def test_a_message_that_goes_elsewhere_is_an_error() -> None:
    text = TEXT.replace("users, routing_key: user.new", "users, routing_key: admin.new")
    [finding] = loads(text, environment={}).check()
    assert "should reach 'mails', but reaches no queue" in finding.message


def test_the_expanded_file_says_the_same_in_other_words(topology: Topology) -> None:
    for text in (topology.expand(comments=True), expand_to_json(topology)):
        again = loads(text, "t.yaml", environment={})
        assert again == topology
        assert again.virtual_hosts["/"].partitions == {"mails": PARTS}
        assert again.check() == []
    assert topology.expand(comments=True).count("# from partitions: 3, line 4") == 7


def test_definitions_of_it_are_known_for_what_they_are(topology: Topology) -> None:
    text = import_definitions(json.dumps(topology.to_definitions()).encode()).text
    assert loads(text).virtual_hosts["/"].partitions == {"mails": PARTS}


@pytest.mark.parametrize("second", ["{}", "{single_active_consumer: true}\n  mails: {}"])
def test_without_single_consumers_or_beside_a_queue_of_the_name_it_is_another_thing(
    second: str,
) -> None:
    text = (
        "exchanges: {mails: x-consistent-hash}\nqueues:\n"
        f"  mails.1: {{single_active_consumer: true}}\n  mails.2: {second}\n"
        "bindings: ['mails[1] -> mails.1', 'mails[1] -> mails.2']"
    )
    assert loads(text).virtual_hosts["/"].partitions == {}


def test_messages_of_one_key_meet_in_one_queue_in_order(topology: Topology) -> None:
    broker = Broker.from_topology(topology, clock=ManualClock())
    for number in range(40):
        properties = Properties(headers={"user_id": number % 5})
        broker.basic_publish("users", "user.new", str(number), properties)
    found: dict[int, list[tuple[str, int]]] = {}
    for queue in PARTS:
        while (got := broker.basic_get(queue, auto_ack=True))[0] is not None:
            number = int(got[2])
            found.setdefault(number % 5, []).append((queue, number))
    for key, messages in found.items():
        assert len({queue for queue, _ in messages}) == 1
        assert [number for _, number in messages] == list(range(key, 40, 5))
