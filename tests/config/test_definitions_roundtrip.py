"""Whatever definitions hold, they come back from the topology file that was made of them."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from leveret.config import format_topology, loads
from leveret.config.anyfile import loads_any
from leveret.config.definitions import SECTIONS, canonical_json, objects_by_identity
from leveret.config.definitions_out import to_definitions
from leveret.config.importing import import_definitions
from leveret.config.yaml_text import flow, scalar
from leveret.errors import TopologyError

#: Names with everything that YAML, bindings and variables could stumble over.
NAMES = st.sampled_from(
    (
        *("a", "b.dlx", "b", "b.dlq", "yes", "4.2", "a b", "a,b", '"', "'", "#", "->", "é", "x\ny"),
        *("${HOME}", "amq.topic", "amq.mine", "null", "- a", "a: b", "a #b", "[x]", "{}", "\\"),
        *("\x07", "~", "/"),
    )
)
TEXTS = NAMES | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)
HOSTS = st.sampled_from(["/", "tenant", "a b"])
ARGUMENTS = st.dictionaries(TEXTS, VALUES, max_size=2)
QUEUE_ARGUMENTS = st.fixed_dictionaries(
    {},
    optional={
        "x-message-ttl": st.sampled_from([0, 1, 30000, 3600000, -1, "60000", 1.5, True, None]),
        "x-max-length": st.integers(0, 20000),
        "x-max-length-bytes": st.sampled_from([0, 1000, 1024, 10485760, 123456]),
        "x-max-priority": st.integers(0, 300),
        "x-overflow": st.sampled_from(["drop-head", "reject-publish", "other"]),
        "x-queue-type": st.sampled_from(["classic", "quorum", "stream"]),
        "x-dead-letter-exchange": NAMES | st.just(""),
        "x-dead-letter-routing-key": NAMES,
        "x-single-active-consumer": st.booleans() | st.just("true"),
        "x-delivery-limit": st.integers(-1, 30),
    },
)


def objects(section: str, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    """Return lists of objects that differ in what tells them apart; some with a field too many."""
    further = st.dictionaries(st.sampled_from(["extra", "internal-use"]), VALUES, max_size=1)
    item = st.builds(lambda known, more: known | more, st.fixed_dictionaries(fields), further)
    return st.lists(item, max_size=5).map(
        lambda items: list(objects_by_identity(section, items).values())
    )


def policy(**fields: st.SearchStrategy[Any]) -> dict[str, st.SearchStrategy[Any]]:
    settable = st.sampled_from(["max-length", "message-ttl", "dead-letter-exchange", "plugin"])
    return fields | {
        "pattern": st.sampled_from(["", "^a", "(?<n>x)", "("]),
        "apply-to": st.sampled_from(["all", "queues", "streams", "other"]),
        "definition": st.dictionaries(settable, st.integers(0, 9) | NAMES, max_size=2),
        "priority": st.integers(-1, 3),
    }


DEFINITIONS = st.fixed_dictionaries(
    {},
    optional={
        "rabbit_version": st.sampled_from(["3.8.9", "3.13.0", "4.1.0", "4.3.0", "x"]),
        "unknown": VALUES,
        "users": objects(
            "users",
            name=NAMES,
            password_hash=TEXTS,
            hashing_algorithm=st.just("rabbit_password_hashing_sha256"),
            tags=st.just("administrator") | st.lists(TEXTS, max_size=2),
            limits=st.just({}),
        ),
        "vhosts": objects("vhosts", name=HOSTS | NAMES),
        "permissions": objects(
            "permissions", user=NAMES, vhost=HOSTS, configure=TEXTS, write=TEXTS, read=TEXTS
        ),
        "topic_permissions": objects(
            "topic_permissions", user=NAMES, vhost=HOSTS, exchange=NAMES, write=TEXTS, read=TEXTS
        ),
        "parameters": objects(
            "parameters",
            vhost=HOSTS,
            component=st.sampled_from(["operator_policy", "shovel"]),
            name=NAMES,
            value=st.fixed_dictionaries(policy()) | VALUES,
        ),
        "global_parameters": objects("global_parameters", name=NAMES, value=VALUES),
        "policies": objects("policies", **policy(vhost=HOSTS, name=NAMES)),
        "queues": objects(
            "queues",
            name=NAMES,
            vhost=HOSTS,
            durable=st.booleans(),
            auto_delete=st.booleans(),
            arguments=QUEUE_ARGUMENTS | ARGUMENTS,
        ),
        "exchanges": objects(
            "exchanges",
            name=NAMES,
            vhost=HOSTS,
            type=st.sampled_from(["topic", "direct", "fanout", "headers", "x-delayed-message"]),
            durable=st.booleans(),
            auto_delete=st.booleans(),
            internal=st.booleans(),
            arguments=st.fixed_dictionaries({}, optional={"alternate-exchange": NAMES}) | ARGUMENTS,
        ),
        "bindings": objects(
            "bindings",
            source=NAMES,
            vhost=HOSTS,
            destination=NAMES,
            destination_type=st.sampled_from(["queue", "exchange"]),
            routing_key=TEXTS,
            arguments=st.just({})
            | st.fixed_dictionaries({"x-match": st.sampled_from(["all", "any", "some"])})
            | ARGUMENTS,
        ),
    },
)


def meaning(definitions: dict[str, Any]) -> dict[str, list[str] | str]:
    """Return what definitions say, whatever the order and the virtual hosts merely implied."""
    said: dict[str, list[str] | str] = {}
    for name, value in definitions.items():
        if name in SECTIONS:
            said[name] = sorted(map(canonical_json, value))
        else:
            said[name] = canonical_json(value)
    hosts = {
        item["vhost"]
        for section in SECTIONS
        for item in definitions.get(section, ())
        if "vhost" in item
    }
    named = {item["name"]: item for item in definitions.get("vhosts", ())}
    implied = {host: {"name": host} for host in hosts | {"/"}}
    said["vhosts"] = sorted(map(canonical_json, (implied | named).values()))
    return said


@settings(max_examples=40, deadline=None)
@given(DEFINITIONS)
def test_definitions_survive_the_way_through_yaml(definitions: dict[str, Any]) -> None:
    imported = import_definitions(json.dumps(definitions))
    again = loads(imported.text, environment={})
    assert meaning(to_definitions(again)) == meaning(definitions)
    assert format_topology(imported.text) == imported.text


@settings(max_examples=15, deadline=None)
@given(DEFINITIONS)
def test_what_was_imported_is_imported_the_same_again(definitions: dict[str, Any]) -> None:
    first = to_definitions(import_definitions(json.dumps(definitions)).topology)
    second = to_definitions(import_definitions(json.dumps(first)).topology)
    assert meaning(first) == meaning(second)


QUEUES = st.fixed_dictionaries(
    {},
    optional={
        "durable": st.booleans(),
        "ttl": st.sampled_from(["1h", "90s", 1500]),
        "max_length": st.integers(0, 99_999),
        "max_bytes": st.sampled_from(["1KiB", "10MB", 77]),
        "overflow": st.sampled_from(["drop-head", "reject-publish"]),
        "dead_letter": st.just(True)
        | st.fixed_dictionaries({"exchange": st.sampled_from(["", "one", "amq.topic"])}),
        "single_active_consumer": st.booleans(),
        "arguments": st.fixed_dictionaries({"x-queue-mode": st.just("lazy")}),
    },
)
EXCHANGES = st.fixed_dictionaries(
    {"type": st.sampled_from(["topic", "direct", "fanout"])},
    optional={"internal": st.booleans(), "alternate": st.sampled_from(["one", "amq.fanout"])},
)
BINDINGS = st.lists(
    st.tuples(st.sampled_from(["one", "two", "amq.topic"]), TEXTS, st.sampled_from(["q", "a b"])),
    max_size=6,
    unique=True,
)


@settings(max_examples=40, deadline=None)
@given(
    st.fixed_dictionaries({"one": EXCHANGES, "two": EXCHANGES}),
    st.fixed_dictionaries({"q": QUEUES, "a b": QUEUES}),
    BINDINGS,
)
def test_a_topology_comes_back_from_its_definitions(
    exchanges: dict[str, Any], queues: dict[str, Any], bindings: list[tuple[str, str, str]]
) -> None:
    written = {
        "exchanges": exchanges,
        "queues": queues,
        "bindings": [
            {"source": source, "routing_key": key, "destination": queue}
            for source, key, queue in bindings
        ],
    }
    topology = loads(flow(written), environment={})
    imported = import_definitions(json.dumps(topology.to_definitions()))
    again = loads(imported.text, environment={})
    assert imported.notes == ()
    assert not again.diff(topology)
    for name in ("exchanges", "queues"):
        assert getattr(again.virtual_hosts["/"], name) == getattr(topology.virtual_hosts["/"], name)


@settings(max_examples=100, deadline=None)
@given(TEXTS | SCALARS)
def test_a_value_written_as_yaml_reads_as_itself(value: Any) -> None:
    for written in (
        f"a: {scalar(value)}",
        f"a: [{scalar(value)}, 1]",
        f"a: {{b: {scalar(value)}}}",
    ):
        text = f"definitions: {{keep: {{x: {{{written}}}}}}}\n"
        read = loads(text, environment={}).definitions.keep["x"]
        assert isinstance(read, dict)
        found = read["a"]
        while isinstance(found, list | dict):
            found = found[0] if isinstance(found, list) else found["b"]
        assert canonical_json(found) == canonical_json(value)


STRANGE = st.sampled_from([None, 0, -1, "", [], {}, [1], {"a": 1}, True, 1.5, "x", "/"])


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_definitions_of_a_strange_form_are_refused_or_kept_whole(data: st.DataObject) -> None:
    definitions: dict[str, Any] = {"rabbit_version": "4.1.0", **data.draw(DEFINITIONS)}
    for section in SECTIONS:
        for item in definitions.get(section, ()):
            for name in data.draw(st.sets(st.sampled_from(sorted(item)), max_size=1)):
                item[name] = data.draw(STRANGE)
    text = json.dumps(definitions)
    try:
        imported = import_definitions(text)
    except TopologyError:
        return
    read = loads_any(text)
    assert not imported.topology.diff(read)
    assert not read.diff(imported.topology)
    assert read.draw("dot")
