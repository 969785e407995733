"""An expanded topology is the same topology, with nothing left to be implied."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from leveret.config import Topology, format_topology, load, loads
from leveret.config.definitions_out import hash_password
from leveret.config.environment import Substituted
from leveret.config.expand import expand_to_json
from leveret.config.yaml_text import flow
from leveret.errors import TopologyError

ROOT = Path(__file__).parents[2]
FILES = sorted([*ROOT.glob("tests/config/checked/*.yaml"), *ROOT.glob("examples/**/topology.yaml")])
ENVIRONMENT = {"A": "a", "SECRET": "hidden: 5", "PATTERN": "^x"}


def without_passwords(topology: Topology) -> Topology:
    """Return a topology whose passwords in clear are hashed, as expanding does it."""
    users = {
        name: user
        if user.password is None or isinstance(user.password, Substituted)
        else evolve(
            user,
            password=None,
            password_hash=hash_password(name, user.password or ""),
            hashing_algorithm="rabbit_password_hashing_sha256",
        )
        for name, user in topology.users.items()
    }
    return evolve(topology, users=users)


def ignored(topology: Topology) -> list[frozenset[str]]:
    """Return which warnings are silenced where: no part of what makes topologies equal."""
    found = [topology.ignored, *(user.ignored for user in topology.users.values())]
    for host in topology.virtual_hosts.values():
        found += [host.ignored, *(exchange.ignored for exchange in host.exchanges.values())]
        found += [queue.ignored for queue in host.queues.values()]
        found += [binding.ignored for binding in host.bindings]
        found += [policy.ignored for policy in host.policies.values()]
        found += [one.ignored for one in host.subscriptions.values()]
    return found


def check_expanded(topology: Topology) -> None:
    expected = without_passwords(topology)
    for text in (topology.expand(), topology.expand(comments=True), expand_to_json(topology)):
        again = loads(text, topology.file, environment=ENVIRONMENT)
        assert again == expected
        assert ignored(again) == ignored(topology)
        assert again.expand(comments=True) == topology.expand()
        assert "hidden" not in text
    for comments in (False, True):
        text = topology.expand(comments=comments)
        assert format_topology(text) == text


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_a_good_file_means_the_same_when_it_is_expanded(file: Path) -> None:
    try:
        topology = load(file, environment=ENVIRONMENT)
    except TopologyError:
        return
    check_expanded(topology)


NAMES = st.sampled_from(
    ["a", "b", "q.dlx", "q", "q.dlq", "yes", "4.2", "a b", '"', "é", "{x}", "~"]
)
TEXTS = NAMES | st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | TEXTS
    | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=4,
).filter(lambda value: "inf" not in str(value))
TABLE = st.dictionaries(TEXTS, VALUES, max_size=2)
LINT = st.fixed_dictionaries({"ignore": st.lists(st.sampled_from(["L01", "L03", "L14"]))})
EXCHANGES = st.dictionaries(
    NAMES,
    st.fixed_dictionaries(
        {"type": st.sampled_from(["topic", "direct", "fanout", "headers"])},
        optional={
            "durable": st.booleans(),
            "auto_delete": st.booleans(),
            "internal": st.booleans(),
            "alternate": st.sampled_from(["", "amq.topic"]),
            "arguments": TABLE,
            "lint": LINT,
        },
    ),
    max_size=3,
)
QUEUE = st.fixed_dictionaries(
    {},
    optional={
        "durable": st.booleans(),
        "exclusive": st.booleans(),
        "ttl": st.sampled_from(["1h", "90s", 1500]),
        "max_length": st.integers(0, 99_999),
        "max_bytes": st.sampled_from(["1KiB", "10MB", 77]),
        "overflow": st.sampled_from(["drop-head", "reject-publish"]),
        "dead_letter": st.booleans() | st.just({"exchange": "amq.topic", "routing_key": "x y"}),
        "arguments": TABLE,
        "lint": LINT,
    },
)
POLICIES = st.dictionaries(
    NAMES,
    st.fixed_dictionaries(
        {"pattern": st.just("^a"), "definition": st.just({"max-length": 5})},
        optional={
            "apply_to": st.sampled_from(["queues", "exchanges"]),
            "priority": st.integers(-5, 5),
            "lint": LINT,
        },
    ),
    max_size=2,
)
HOST = {
    "defaults": st.fixed_dictionaries({}, optional={"queue": QUEUE}),
    "exchanges": EXCHANGES,
    "queues": st.dictionaries(NAMES, QUEUE, max_size=3),
    "policies": POLICIES,
    "operator_policies": POLICIES,
    "lint": LINT,
    "bindings": st.lists(
        st.fixed_dictionaries(
            {"source": st.sampled_from(["a", "amq.topic", "amq.headers"]), "destination": NAMES},
            optional={"routing_key": TEXTS, "arguments": TABLE, "lint": LINT},
        ),
        max_size=3,
    ),
    "requests": st.dictionaries(
        NAMES,
        st.fixed_dictionaries(
            {"exchange": st.just("amq.topic"), "routing_key": TEXTS},
            optional={"timeout": st.sampled_from(["2s", 5])},
        ),
        max_size=2,
    ),
    "subscriptions": st.dictionaries(
        NAMES,
        st.fixed_dictionaries(
            {"queue": st.just("q")},
            optional={
                "concurrency": st.integers(1, 50),
                "prefetch": st.integers(1, 50),
                "visibility_timeout": st.sampled_from(["30s", 5]),
                "retry": st.integers(1, 9)
                | st.just({"first": "1s", "max": "1m", "factor": 1.5, "jitter": 0.25}),
                "dead_letter": st.just("q.dlq"),
                "lint": LINT,
            },
        ),
        max_size=2,
    ),
    "alerts": st.dictionaries(
        NAMES,
        st.fixed_dictionaries(
            {"queue": st.just("q")}, optional={"for": st.sampled_from(["5m", 0])}
        ).flatmap(
            lambda alert: st.sampled_from(
                [
                    {**alert, "ready": "> 1_000"},
                    {**alert, "oldest": ">= 10m"},
                    {**alert, "consumers": "< 1"},
                ]
            )
        ),
        max_size=2,
    ),
    "expect": st.lists(
        st.fixed_dictionaries(
            {
                "publish": st.fixed_dictionaries(
                    {"exchange": st.just("amq.topic")},
                    optional={"routing_key": TEXTS, "headers": TABLE},
                ),
                "reaches": st.just([]),
            }
        )
        | st.just({"expires": {"queue": "q", "after": "1h", "headers": {"a": 1}}, "reaches": []}),
        max_size=2,
    ),
}
TOPOLOGIES = st.fixed_dictionaries(
    {},
    optional={
        **HOST,
        "compatibility": st.sampled_from(["3.10", "4.3"]),
        "virtual_hosts": st.dictionaries(
            st.sampled_from(["/", "t", "a b"]), st.fixed_dictionaries({}, optional=HOST), max_size=2
        ),
        "users": st.dictionaries(
            NAMES,
            st.fixed_dictionaries(
                {},
                optional={
                    "password": TEXTS | st.just("VARIABLE"),
                    "tags": st.lists(NAMES, max_size=2),
                    "permissions": st.just({"/": {"configure": "", "write": ".*", "read": "^x$"}}),
                    "topic_permissions": st.just({"/": {"a": {"write": ".*", "read": "x"}}}),
                },
            ),
            max_size=2,
        ),
        "definitions": st.fixed_dictionaries(
            {}, optional={"keep": st.just({"parameters": [{"value": {"uri": "VARIABLE"}}], "x": 1})}
        ),
    },
)


def known_only(written: dict[str, Any]) -> dict[str, Any]:
    """Leave out bindings and expectations that name what is not there, and the same said twice."""
    hosts = [written, *written.get("virtual_hosts", {}).values()]
    for host in hosts:
        exchanges, queues = host.get("exchanges", {}), host.get("queues", {})
        bindings: dict[str, Any] = {}
        for binding in host.get("bindings", ()):
            if binding["destination"] in queues and binding["source"] in {*exchanges, "amq.topic"}:
                bindings[repr({**binding, "lint": None})] = binding
        host["bindings"] = list(bindings.values())
        for section in ("subscriptions", "alerts"):
            host[section] = {
                name: one
                for name, one in host.get(section, {}).items()
                if {one["queue"], one.get("dead_letter", "q")} <= queues.keys()
            }
        if "q" not in queues:
            host["expect"] = [one for one in host.get("expect", ()) if "publish" in one]
    return written


@settings(max_examples=50, deadline=None)
@given(TOPOLOGIES.map(known_only))
def test_a_topology_means_the_same_when_it_is_expanded(written: dict[str, Any]) -> None:
    text = flow(written).replace("VARIABLE", '"${SECRET}"')
    try:
        topology = loads(text, "t.yaml", environment=ENVIRONMENT)
    except TopologyError:
        return
    check_expanded(topology)


def test_what_comes_from_the_environment_is_not_shown_where_secrets_are() -> None:
    text = (
        "users: {a: {password: 'x${SECRET}'}, b: {password: 'clear ${'}}\n"
        "definitions: {keep: {parameters: [{value: {uri: 'amqp://${SECRET}@h', n: '\\'}}]}}\n"
        "queues: {q: {ttl: ${TTL}, arguments: {x-note: '${NOTE:-none}'}}}\n"
    )
    topology = loads(text, environment={"SECRET": "hidden", "TTL": "1h"})
    written = topology.expand()
    assert 'a: {password: "x${SECRET}"' in written
    assert '{uri: "amqp://${SECRET}@h"' in written
    assert "x-message-ttl: 3600000, x-note: none}" in written
    assert "hidden" not in written
    assert "clear" not in written
    assert loads(written, environment={"SECRET": "other"}).users["a"].password == "xother"


def test_a_user_with_a_hash_keeps_it() -> None:
    text = "users: {a: {password_hash: aGFzaA==, hashing_algorithm: rabbit_password_hashing_md5}}"
    topology = loads(text)
    assert loads(topology.expand()) == topology


def test_json_cannot_say_what_has_no_end() -> None:
    topology = loads("queues: {q: {arguments: {x: .inf, y: -.inf}}}")
    assert loads(topology.expand()) == topology
    with pytest.raises(ValueError, match="not JSON compliant"):
        expand_to_json(topology)
