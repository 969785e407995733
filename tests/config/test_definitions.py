"""RabbitMQ's definitions into a topology file and back: nothing is lost."""

from __future__ import annotations

import json
from typing import Any

import pytest

from leveret.config import QueueDeclaration, loads
from leveret.config.definitions import SECTIONS, canonical_json
from leveret.config.definitions_out import (
    hash_password,
    to_definitions,
    unsaid_in_definitions,
)
from leveret.config.importing import Imported, import_definitions
from leveret.errors import TopologyError

QUEUE = {"vhost": "/", "durable": True, "auto_delete": False, "arguments": {}}
EXCHANGE = {"vhost": "/", "durable": True, "auto_delete": False, "internal": False, "arguments": {}}
BINDING = {"vhost": "/", "destination_type": "queue", "routing_key": "", "arguments": {}}

#: As RabbitMQ 3.8 writes them: tags as text, no limits.
OLD: dict[str, Any] = {
    "rabbit_version": "3.8.9",
    "users": [
        {
            "name": "admin",
            "password_hash": "AsYO2ESs62RcsxNVyxKaR5DGxVI=",
            "hashing_algorithm": "rabbit_password_hashing_sha256",
            "tags": "administrator",
        },
        {
            "name": "svc",
            "password_hash": "${NOT_A_VARIABLE}",
            "hashing_algorithm": "rabbit_password_hashing_sha512",
            "tags": "",
        },
    ],
    "vhosts": [{"name": "/"}, {"name": "tenant-a"}, {"name": "empty"}],
    "permissions": [
        {"user": "admin", "vhost": "/", "configure": ".*", "write": ".*", "read": ".*"},
        {"user": "svc", "vhost": "tenant-a", "configure": "^$", "write": "(?<n>a)", "read": ""},
    ],
    "topic_permissions": [
        {"user": "svc", "vhost": "/", "exchange": "orders", "write": r"^eu\.", "read": ".*"}
    ],
    "parameters": [
        {
            "value": {"uri": "amqp://far", "expires": 3600000},
            "vhost": "/",
            "component": "federation-upstream",
            "name": "far",
        },
        {
            "value": {
                "pattern": ".*",
                "apply-to": "queues",
                "definition": {"max-length": 10},
                "priority": 3,
            },
            "vhost": "/",
            "component": "operator_policy",
            "name": "cap",
        },
    ],
    "global_parameters": [{"name": "cluster_name", "value": "rabbit@here"}],
    "policies": [
        {
            "vhost": "/",
            "name": "ha",
            "pattern": r"^ha\.",
            "apply-to": "queues",
            "definition": {"ha-mode": "all", "max-length": 100000},
            "priority": 0,
        },
        {
            "vhost": "/",
            "name": "strange",
            "pattern": "",
            "apply-to": "all",
            "definition": {"of-a-plugin": [1]},
            "priority": 9,
        },
    ],
    "queues": [
        QUEUE
        | {
            "name": "billing",
            "arguments": {
                "x-message-ttl": 3600000,
                "x-max-length": 10000,
                "x-dead-letter-exchange": "billing.dlx",
            },
        },
        QUEUE | {"name": "billing.dlq"},
        QUEUE | {"name": "events", "arguments": {"x-queue-type": "delayed"}},
        QUEUE | {"name": "text", "arguments": {"x-message-ttl": "60000"}},
        QUEUE
        | {
            "name": "dangling",
            "arguments": {"x-dead-letter-exchange": "nowhere", "x-max-length-bytes": 10485760},
        },
        QUEUE | {"name": "q", "vhost": "tenant-a", "durable": False, "auto_delete": True},
    ],
    "exchanges": [
        EXCHANGE
        | {"name": "orders", "type": "topic", "arguments": {"alternate-exchange": "unrouted"}},
        EXCHANGE | {"name": "unrouted", "type": "fanout", "internal": True},
        EXCHANGE | {"name": "billing.dlx", "type": "fanout"},
        EXCHANGE | {"name": "images", "type": "headers", "vhost": "tenant-a"},
        EXCHANGE
        | {
            "name": "delayed",
            "type": "x-delayed-message",
            "arguments": {"x-delayed-type": "topic"},
        },
    ],
    "bindings": [
        BINDING | {"source": "orders", "destination": "billing", "routing_key": "order.created.#"},
        BINDING | {"source": "orders", "destination": "billing", "routing_key": "order.*.paid"},
        BINDING
        | {
            "source": "orders",
            "destination": "unrouted",
            "destination_type": "exchange",
            "routing_key": "#",
        },
        BINDING | {"source": "billing.dlx", "destination": "billing.dlq"},
        BINDING | {"source": "unrouted", "destination": "events"},
        BINDING | {"source": "delayed", "destination": "billing"},
        BINDING
        | {
            "source": "images",
            "vhost": "tenant-a",
            "destination": "q",
            "arguments": {"x-match": "all", "format": "png", "width": 640, "scale": 1.0},
        },
        BINDING
        | {
            "source": "amq.topic",
            "vhost": "tenant-a",
            "destination": "q",
            "routing_key": "a b, #",
        },
    ],
}

#: As RabbitMQ 4.x writes them: queue types, no internal exchanges, metadata.
NEW: dict[str, Any] = {
    "rabbit_version": "4.1.2",
    "rabbitmq_version": "4.1.2",
    "product_name": "RabbitMQ",
    "product_version": "4.1.2",
    "original_cluster_name": "rabbit@here",
    "explanation": "Definitions of cluster 'rabbit@here'",
    "users": [
        {
            "name": "svc",
            "password_hash": "AsYO2ESs62RcsxNVyxKaR5DGxVI=",
            "hashing_algorithm": "rabbit_password_hashing_sha256",
            "tags": ["monitoring", "policymaker"],
            "limits": {"max-channels": 10},
        }
    ],
    "vhosts": [
        {
            "name": "shop",
            "limits": [],
            "metadata": {
                "description": "The shop: orders",
                "tags": ["eu"],
                "default_queue_type": "quorum",
            },
        }
    ],
    "permissions": [
        {"user": "svc", "vhost": "shop", "configure": ".*", "write": ".*", "read": ".*"}
    ],
    "topic_permissions": [],
    "parameters": [
        {
            "component": "vhost-limits",
            "name": "limits",
            "value": {"max-queues": 100},
            "vhost": "shop",
        }
    ],
    "global_parameters": [
        {"name": "internal_cluster_id", "value": "rabbitmq-cluster-id-x"},
        {"name": "mqtt_port_to_vhost_mapping", "value": {"1883": "shop", "null": None}},
    ],
    "policies": [],
    "queues": [
        {
            "name": "orders",
            "vhost": "shop",
            "type": "quorum",
            "durable": True,
            "auto_delete": False,
            "arguments": {"x-queue-type": "quorum", "x-delivery-limit": -1},
        },
        {
            "name": "log",
            "vhost": "shop",
            "type": "stream",
            "durable": True,
            "auto_delete": False,
            "arguments": {"x-queue-type": "stream"},
        },
    ],
    "exchanges": [
        {
            "name": "events",
            "vhost": "shop",
            "type": "topic",
            "durable": True,
            "auto_delete": False,
            "arguments": {},
        }
    ],
    "bindings": [],
}

#: As RabbitMQ writes one virtual host's: no names of virtual hosts, no users.
ONE_HOST: dict[str, Any] = {
    "rabbit_version": "3.12.1",
    "parameters": [],
    "policies": [],
    "queues": [{"name": "q", "durable": True, "auto_delete": False, "arguments": {}}],
    "exchanges": [],
    "bindings": [
        {
            "source": "amq.topic",
            "destination": "q",
            "destination_type": "queue",
            "routing_key": "#",
            "arguments": {},
        }
    ],
}


def as_sets(definitions: dict[str, Any]) -> dict[str, Any]:
    """Return definitions with each section's objects in one order."""
    return {
        name: sorted(map(canonical_json, value)) if name in SECTIONS else canonical_json(value)
        for name, value in definitions.items()
    }


def imported(definitions: dict[str, Any]) -> Imported:
    return import_definitions(json.dumps(definitions), "definitions.json")


@pytest.mark.parametrize("definitions", [OLD, NEW, ONE_HOST], ids=["3.8", "4.1", "one-host"])
def test_definitions_come_back_as_they_were(definitions: dict[str, Any]) -> None:
    result = imported(definitions)
    assert as_sets(to_definitions(result.topology)) == as_sets(definitions)
    again = loads(result.text, environment={})
    assert as_sets(to_definitions(again)) == as_sets(definitions)


def test_the_yaml_is_what_a_person_would_have_written() -> None:
    lines = imported(OLD).text.splitlines()
    assert (
        "# Imported by leveret from the definitions of RabbitMQ 3.8.9 in definitions.json." in lines
    )
    assert 'compatibility: "3.10"' in lines
    assert "  orders: {type: topic, alternate: unrouted}" in lines
    assert "  unrouted: {type: fanout, internal: true}" in lines
    assert "  billing: {ttl: 1h, max_length: 10_000, dead_letter: true}" in lines
    assert "  dangling: {max_bytes: 10MiB}" in lines
    assert "  - orders[order.*.paid, order.created.#] -> billing" in lines
    assert "  - orders[#] -> exchange unrouted" in lines
    assert not any("billing.dlq" in line for line in lines), "dead_letter: true says it"
    match = "match: {x-match: all, format: png, width: 640, scale: 1.0}"
    assert f"      - {{source: images, destination: q, {match}}}" in lines
    assert "      - 'amq.topic[\"a b, #\"] -> q'" in lines


def test_a_virtual_hosts_description_is_a_comment_and_long_numbers_are_grouped() -> None:
    policy = {
        "vhost": "shop",
        "name": "p",
        "pattern": "^o",
        "apply-to": "queues",
        "definition": {"message-ttl": 86400000},
        "priority": 0,
    }
    lines = imported(NEW | {"policies": [policy]}).text.splitlines()
    place = lines.index("  # The shop: orders")
    assert lines[place + 1] == "  shop:"
    entry = '{pattern: "^o", apply_to: queues, definition: {message-ttl: 86_400_000}}'
    assert f"      p: {entry}" in lines
    strange = NEW | {"vhosts": [{"name": "shop", "metadata": {"description": "a\n: b\x1b"}}]}
    assert "  # a : b\\x1b" in imported(strange).text.splitlines()


def test_an_exchange_that_only_bindings_name_was_internal() -> None:
    binding = BINDING | {"source": "hidden", "destination": "q"}
    result = imported({"queues": [QUEUE | {"name": "q"}], "bindings": [binding]})
    told = "exchange 'hidden' is missing: rabbitmqctl leaves internal ones out"
    assert f"kept: binding 'hidden -> q': {told}" in result.notes
    assert f"      # {told}\n" in result.text


def test_what_could_not_be_said_is_noted_and_stands_in_a_comment() -> None:
    result = imported(OLD)
    assert "queue 'dangling': its dead letters would go to 'nowhere', which does not exist" in (
        result.notes
    )
    reason = "x-message-ttl wants an integer, got the text '60000'"
    assert f"kept: queue 'text': {reason}" in result.notes
    assert "kept: policy 'strange': a policy cannot set 'of-a-plugin'" in result.notes
    assert f"      # {reason}\n" in result.text
    assert "    # Settings of the whole cluster.\n" in result.text


def test_a_queue_may_dead_letter_to_an_exchange_that_is_kept() -> None:
    queue = QUEUE | {"name": "q", "arguments": {"x-dead-letter-exchange": "delayed"}}
    result = imported({"exchanges": OLD["exchanges"], "queues": [queue]})
    assert "  q: {dead_letter: {exchange: delayed}}\n" in result.text


def test_a_file_without_anything_odd_has_no_section_for_it() -> None:
    whole = to_definitions(loads("exchanges: {a: topic}\nqueues: [q]\nbindings: ['a[#] -> q']\n"))
    result = imported(whole)
    assert "definitions:" not in result.text
    assert result.notes == ()


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("", (1, 1), "this is not JSON: Expecting value"),
        ('{"queues": [}', (1, 13), "this is not JSON: Expecting value"),
        ("[]", (1, 1), "definitions are a JSON object of sections"),
        ('{"queues": {}}', (1, 1), "'queues' is not a list"),
        ('{"queues": [{"vhost": "/"}]}', (1, 1), "queue 1 has no 'name'"),
        ('{"queues": [7]}', (1, 1), "queue 1 has no 'vhost'"),
        ('{"a": NaN}', (1, 1), "this is no JSON that RabbitMQ would write: it holds NaN"),
        ('{"a": 99999999999999999999}', (1, 1), "definitions cannot hold a number beyond 64 bits"),
        ('{"a": "\\ud800"}', (1, 1), "definitions cannot hold half a surrogate pair"),
        (
            '{"vhosts": [{"name": "a"}, {"name": "a", "limits": []}]}',
            (1, 1),
            "virtual host 'a' is there twice, differently",
        ),
    ],
)
def test_what_is_no_definitions_file_is_refused(
    text: str, place: tuple[int, int], message: str
) -> None:
    with pytest.raises(TopologyError) as caught:
        import_definitions(text, "d.json")
    [fault, *_] = caught.value.faults
    assert (fault.position.line, fault.position.column) == place
    assert fault.message == message
    assert fault.remedy


def test_nesting_beyond_reason_is_refused_without_a_traceback() -> None:
    for text in ("[" * 100_000, '{"a": ' + "[" * 50 + "]" * 50 + "}"):
        with pytest.raises(TopologyError):
            import_definitions(text)


def test_a_password_becomes_a_hash_that_is_the_same_each_time() -> None:
    topology = loads("users: {a: {password: secret}, b: {password: secret}, c: {}}\n")
    users = {user["name"]: user["password_hash"] for user in to_definitions(topology)["users"]}
    assert users["a"] == hash_password("a", "secret") != users["b"]
    assert users["c"] == "", "nobody can log in with it"


def test_what_definitions_cannot_say_is_named() -> None:
    topology = loads(
        "queues: {mine: {exclusive: true}, q: {}}\n"
        "bindings: [amq.topic -> mine]\n"
        "requests: {ask: {routing_key: q}}\n"
        "expect: [{publish: {routing_key: q}, reaches: [q]}]\n"
    )
    definitions = to_definitions(topology)
    assert [queue["name"] for queue in definitions["queues"]] == ["q"]
    assert definitions["bindings"] == []
    assert unsaid_in_definitions(topology) == [
        "exclusive queues, which end with their connection: mine",
        "requests: ask",
        "expectations: 1",
    ]


def test_a_kept_field_goes_with_the_object_it_belonged_to() -> None:
    text = "queues: [q]\ndefinitions: {fields: {queues: [{name: gone, vhost: /, x: 1}]}}\n"
    [queue] = to_definitions(loads(text))["queues"]
    assert queue["name"] == "q"
    assert loads(text).virtual_hosts["/"].queues == {"q": QueueDeclaration("q")}


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ("keep: {queues: {q: {}}}", "'queues' wants a list of objects, got a map"),
        ("keep: {queues: [q]}", "a queue wants a map, got 'q'"),
        ("fields: {queue: []}", "RabbitMQ's definitions have no section 'queue'"),
        ("omit: {nothing: []}", "RabbitMQ's definitions have no section 'nothing'"),
        ("omit: {queues: some}", "'omit' wants a list of fields, got 'some'"),
    ],
)
def test_a_section_of_definitions_with_faults_is_reported(section: str, message: str) -> None:
    with pytest.raises(TopologyError) as caught:
        loads(f"definitions: {{{section}}}\n")
    assert [fault.message for fault in caught.value.faults] == [message]
