"""`leveret schema`: what the loader takes, the schema takes; what it cannot see is said by rule."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from leveret.config import entries, load, loads, schema
from leveret.config.binding_text import BINDING_PATTERN, BindingTextError, parse_binding
from leveret.config.findings import RULES
from leveret.config.importing import import_definitions
from leveret.config.json_schema import LEAF_SCHEMAS
from leveret.config.loader import attempt
from leveret.config.nodes import ListNode, MapNode, Node, ScalarNode, compose
from leveret.config.resolve import scalar_value
from leveret.config.source import Source
from leveret.config.structure import keys_of
from leveret.config.values import LEAVES
from leveret.errors import TopologyError

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
SCHEMA = schema()
VALIDATOR = Draft7Validator(SCHEMA)
BROKEN = sorted((HERE / "broken").glob("*.yaml"))
GOOD = sorted([*(HERE / "checked").glob("*.yaml"), *(ROOT / "examples").rglob("*topology*.yaml")])


def data_of(node: Node | None) -> Any:
    """Return what an editor makes of a file: JSON's values, by YAML 1.2."""
    if isinstance(node, MapNode):
        return {key.text: data_of(value) for key, value in node.pairs}
    if isinstance(node, ListNode):
        return [data_of(item) for item in node.items]
    return scalar_value(node) if isinstance(node, ScalarNode) else None


def read(text: str | bytes) -> Any:
    source = Source("t.yaml", text.decode() if isinstance(text, bytes) else text)
    return data_of(compose(source, None))


def complaints(text: str | bytes) -> list[str]:
    return [f"{error.json_path}: {error.message}" for error in VALIDATOR.iter_errors(read(text))]


def test_the_schema_is_one() -> None:
    Draft7Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "http://json-schema.org/draft-07/schema#"


@pytest.mark.parametrize("file", GOOD, ids=lambda file: file.stem)
def test_good_files_are_valid(file: Path) -> None:
    assert complaints(file.read_bytes()) == []


@pytest.mark.parametrize("file", GOOD, ids=lambda file: file.stem)
def test_what_import_writes_is_valid(file: Path) -> None:
    try:
        topology = load(file, environment={})
    except TopologyError:  # of a file about a failed expectation, say
        return
    imported = import_definitions(json.dumps(topology.to_definitions()).encode())
    assert complaints(imported.text) == []


#: Kinds of faults that a schema cannot see, or not always, and why. A kind is code and message.
UNSEEN = {
    "E02 .*": "what exists elsewhere in the file, or in another one",
    "E03 .*": "a map in JSON has each key once; bindings are compared by their meaning",
    "E04 .*": "RabbitMQ's own rules, which depend on the version and on other keys",
    "E01 .* bytes long, and AMQP carries at most .*": "a schema counts characters, not bytes",
    "E01 the default exchange takes no bindings": "in a binding's text, '\"\"' is a name in quotes",
    "E01 .* is given in 'match' and in 'arguments'": "any header may be in either of them",
    "E01 'match' asks for headers, and .*": "the type stands with the exchange",
    "E01 .* does not fit into AMQP's 64 bits": "numbers in headers are not bounded in JSON",
    "E01 .* is more than AMQP's 64 bits hold": "a schema multiplies no units",
    "E01 .* is not a variable": "what a variable holds is the environment's",
    "E01 the environment variable .* is not set": "what a variable holds is the environment's",
    "E01 these files include each other: .*": "a schema sees one file",
    "E01 this is no name of a file": "what a path may hold is the system's",
    "E01 RabbitMQ's definitions have no section .*": "'fields' is written by import, never by hand",
    "E01 'dead_letter: true' .*": "the name that it makes is seen nowhere",
    "E01 exchange .* has no type": "it may come from 'defaults', or from another file",
    "E01 .* is no regular expression: .*": "JSON Schema has regular expressions of its own",
    "E01 .* wants a map of names and values, got nothing": "to JSON, '~' is what nothing is",
    "E01 YAML 1.2 has no merge key .*": "some parsers merge before the schema looks",
    "E01 a key must be a name, .*": "JSON has no other keys",
    "E01 .* wants a duration such as 7d, in whole seconds; .*": "a schema multiplies no units",
    "E01 only the readers of a stream lag behind, .*": "the type stands with the queue",
    "E01 queue .* is its own 'dead_letter': .*": "JSON Schema compares no two values",
    "E01 'max' is .*, less than 'first', .*": "JSON Schema compares no two values",
    "E01 visibility_timeout is 0: .*": "a schema multiplies no units",
    "E01 .* is (always|never) .*": "a schema does not tell what a limit means",
    "E01 '(partitions|by)' is no default: .*": "an entry of a queue is the same in both places",
    "E01 'partitions' makes .*": "what else is declared, or how long the names get",
    "E01 each partition has a single active consumer, .*": "JSON Schema compares no two values",
    "E01 queue .* is partitioned, .*": "the partitions stand with the queue",
    "E01 this is no JSON Schema: .*": "what is a schema, its own dialect says",
    "E01 YAML reads .* as an alias, .*": "an editor's parser reports it",
    "E01 the YAML tag .*": "JSON has no tags",
}


def kinds_of(file: Path) -> list[str]:
    _, (fault, *_) = attempt(file.read_bytes(), file.name, environment={})
    kind = f"{fault.code} {fault.message}"
    return [rule for rule in UNSEEN if re.fullmatch(rule, kind)]


def is_valid(file: Path) -> bool:
    """Say whether a schema finds nothing in a file that YAML can be read from."""
    try:
        return complaints(file.read_bytes()) == []
    except (TopologyError, UnicodeDecodeError):
        return False  # no YAML: an editor says so without a schema


@pytest.mark.parametrize("file", BROKEN, ids=lambda file: file.stem)
def test_broken_files_are_invalid_where_a_schema_can_see_it(file: Path) -> None:
    assert not is_valid(file) or kinds_of(file) != []


def test_each_kind_of_fault_that_is_not_seen_has_a_file_that_shows_it() -> None:
    shown = {kind for file in BROKEN if is_valid(file) for kind in kinds_of(file)}
    assert set(UNSEEN) - shown == set()


# --- nothing is missing


def objects_in(part: Any) -> Iterable[dict[str, Any]]:
    if isinstance(part, dict):
        yield part
    for inner in (
        part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
    ):
        yield from objects_in(inner)


ENTRIES = [
    cls
    for name in entries.__all__
    if isinstance(cls := getattr(entries, name), type)
    and issubclass(cls, entries.Entry)
    and cls is not entries.Entry
]


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.__name__)
def test_every_key_that_the_loader_reads_is_in_the_schema_and_explained(
    entry: type[entries.Entry],
) -> None:
    keys = set(keys_of(entry))
    described = [
        properties
        for found in objects_in(SCHEMA)
        if keys <= (properties := found.get("properties", {})).keys()
        and all("description" in properties[key] for key in keys)
    ]
    assert described != []


def test_every_kind_of_value_that_the_loader_reads_is_in_the_schema() -> None:
    assert LEAF_SCHEMAS.keys() == LEAVES.keys()


@pytest.mark.parametrize("name", SCHEMA["definitions"])
def test_no_entry_takes_keys_that_the_loader_does_not_know(name: str) -> None:
    assert SCHEMA["definitions"][name]["additionalProperties"] is False
    assert SCHEMA["additionalProperties"] is False


def test_every_code_that_can_be_silenced_is_offered_and_no_other() -> None:
    [codes, _variable] = SCHEMA["definitions"]["lint"]["properties"]["ignore"]["items"]["anyOf"]
    assert codes == {"enum": [code for code, rule in RULES.items() if rule.severity != "error"]}


# --- the loader and the schema agree


@pytest.mark.parametrize(
    "text",
    [
        "queues: [a, b, 404]",
        "queues: {a: , b: ~, c: {}}",
        "queues: [{name: a, ttl: 1h}]",
        "queues: {a: {ttl: 1 h, max-bytes: 10_000, maxLength: +5, dead_letter: false}}",
        "queues: {a: {ttl: '${TTL:-5s}', durable: ${DURABLE:-true}, type: '${TYPE:-quorum}'}}",
        "queues: {a: {max_length: ${LENGTH:-5}, single-active-consumer: true}}",
        "queues: {a: {arguments: {x-queue-mode: lazy, x-mine: [1, {b: ~}], x-max-length: 1_000}}}",
        "compatibility: 4.2",
        "compatibility: 3.10",
        "version: 1",
        "exchanges: [{name: a, type: topic}, {name: b, type: fanout}]",
        "defaults: {exchange: {type: topic}}\nexchanges: [a, b]",
        'exchanges: {a: topic}\nqueues: [b]\nbindings: [\'a["x y", "]", z] -> queue b\']',
        "exchanges: {a: topic}\nqueues: [b]\nbindings: [{source: a, destination: b}]",
        "queues: [b]\nrequests: {c: {routingKey: b}}",
        "queues: [b]\nrequests: [{name: c, routing-key: b, timeout: 1s}]",
        "queues: [a]\npolicies: [{name: p, pattern: a, applyTo: all, definition: {ha-mode: all}}]",
        "users: [{name: u, topic_permissions: [{name: /, amq.topic: {write: a, read: b}}]}]",
        "users: {u: {tags: [mine], permissions: {/: {configure: '', write: .*, read: 5}}}}",
        "queues: [a]\nsubscriptions: [{name: s, queue: a, retry: 3, visibility-timeout: 30s}]",
        "queues: [a]\nsubscriptions: {s: {queue: a, retry: {factor: 1.5, max: 1h}}}",
        "queues: [a]\nalerts: {l: {queue: a, ready: '> 1_000', for: 5m}}",
        "queues: [a]\nalerts: [{name: m, queue: a, oldest: '<1h'}]",
        "exchanges: {a: {type: direct, delayed-type: topic}}",
        "queues: {a: {max_bytes: 1GB, visibility_timeout: 30s}}",
        "queues: [a]\nexpect: [{expires: {queue: a, after: 5}, reaches: }]",
        "queues: [a]\nlint: {ignore: [L03, '${CODE:-L04}']}\nexpect: []\nbindings:",
    ],
)
def test_what_the_loader_reads_is_valid(text: str) -> None:
    loads(text, environment={})
    assert complaints(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "queues: {a: {max_length: 1, max-length: 2}}",
        "queues: {a: {ttl: 1h, arguments: {x-message-ttl: 5}}}",
        "queues: {a: {ttl: 1 week}}",
        "queues: {a: {max_length: '5'}}",
        "queues: {a: {maxlength: 5}}",
        "exchanges: {a: topik}",
        "exchanges: {'${A}': topic}",
        "queues: [b]\nrequests: {c: {}}",
        "queues: [b]\nsubscriptions: [s]",
        "queues: [b]\nsubscriptions: {s: {queue: b, retry: {factor: -1}}}",
        "queues: [b]\nalerts: {l: {queue: b}}",
        "queues: [b]\nalerts: {l: {queue: b, ready: '1000'}}",
        "queues: [b]\nalerts: {l: {queue: b, ready: '> 1', dead-letters: '> 1'}}",
        "queues: [a]\nexpect: [{reaches: [a]}]",
        "queues: [a]\npolicies: {p: {pattern: a, definition: {ttl: 5}}}",
        "queues: [a]\npolicies: {p: {pattern: a, definition: }}",
        "queues: [a]\npolicies: [p]",
        "exchanges: {a: topic}\nqueues: [b]\nbindings: ['a[x y] -> b']",
    ],
)
def test_what_the_loader_refuses_is_invalid(text: str) -> None:
    with pytest.raises(TopologyError):
        loads(text, environment={})
    assert complaints(text) != []


NAMES = st.sampled_from(["a", "b", "orders", "amq.topic", "", "x" * 256, "é", "404", "${A:-a}"])
VALUES: dict[Any, list[Any]] = {
    entries.Name: ["a", "b", 5, "x" * 256],
    entries.ExchangeName: ["a", "", "amq.topic", 1.5],
    entries.Key: ["a.#", "", True, "k" * 256],
    entries.Text: ["topic", "fanout", "4.2", 4.3, "a"],
    entries.Regex: ["^a", ".*", "", "a" * 4001],
    entries.Duration: ["1h", "5 s", 10, "10_000", "5w", -1],
    entries.Size: ["1KiB", 10, "5 MB", "5XB", 1.5],
    entries.Count: [0, 5, 2**63, -1, "5"],
    entries.Number: [0, 1, -5, "x"],
    entries.PartitionKey: ["routing_key", "header a b", "property message_id", "header", "user"],
    entries.Schema: [{"type": "object"}, {}, {"minimum": 0}],
    entries.Ratio: [0, 1.5, 2, -1, "2", 1e400],
    entries.Age: ["7d", "30 s", "1_000s", 30, "5", "500ms", "7D"],
    entries.CountLimit: ["> 1000", ">=5", " == 1_000", "1000", 5, ">", "> 5m", "> -1"],
    entries.AgeLimit: ["> 10m", "<= 5", ">1 h", "10m", "> soon", 10],
    entries.Flag: [True, False, "yes"],
    entries.Table: [{}, {"a": 1}, {"x-message-ttl": 5}, {"max-length": 5}, {"ha-mode": "all"}, []],
    entries.Code: ["L03", "L10", "E01", "L99"],
    entries.BindingEntry | entries.BindingLine: ["a -> b", "a[k, #] -> exchange b", "a[ -> b", 5],
    entries.DeadLetterEntry | bool: [True, False, {"exchange": ""}, {"key": 1}, "a"],
}


def spelled(key: str) -> list[str]:
    return [key, key.replace("_", "-"), re.sub("_(.)", lambda m: m[1].upper(), key)]


def written(annotation: Any) -> st.SearchStrategy[Any]:
    """Draw what might stand where an annotation of the loader is; mostly what it takes."""
    usual: st.SearchStrategy[Any]
    odd: st.SearchStrategy[Any] = st.sampled_from([None, 7, "${A:-5}", [], {}])
    if isinstance(annotation, type) and issubclass(annotation, entries.Entry):
        usual = written_map(annotation)
    elif get_origin(annotation) is Literal:
        usual = st.sampled_from([*get_args(annotation), "other"])
    elif get_origin(annotation) is list:
        usual = st.lists(written(get_args(annotation)[0]), max_size=3)
    elif get_origin(annotation) is dict:
        inner = written(get_args(annotation)[1])
        usual = st.dictionaries(NAMES, inner, max_size=3) | st.lists(
            NAMES | st.builds(_with_name, NAMES, inner), max_size=3
        )
    else:
        usual = st.sampled_from(VALUES[annotation])
    return st.integers(0, 19).flatmap(lambda chance: usual if chance else odd)


def _with_name(name: str, rest: Any) -> Any:
    return {"name": name, **rest} if isinstance(rest, dict) else rest


def _deferred(annotation: Any) -> st.SearchStrategy[Any]:
    return st.deferred(lambda: written(annotation))


def written_map(entry: type[entries.Entry]) -> st.SearchStrategy[dict[str, Any]]:
    pairs = {
        key: _deferred(annotation) for key, annotation in keys_of(entry).items() if key != "include"
    }
    needed = {key: pairs.pop(key) for key in entry.REQUIRED}
    few = (
        st.lists(st.sampled_from(sorted(pairs)), max_size=3, unique=True) if pairs else st.just([])
    )
    return few.flatmap(
        lambda keys: st.tuples(
            st.fixed_dictionaries({**needed, **{key: pairs[key] for key in keys}}),
            st.integers(0, 2),
        )
    ).map(lambda made: {spelled(key)[made[1]]: value for key, value in made[0].items()})


@given(written_map(entries.TopologyEntry))
@settings(max_examples=60, deadline=None)
def test_the_loader_and_the_schema_agree_on_what_is_malformed(data: dict[str, Any]) -> None:
    text = json.dumps(data)
    _, faults = attempt(text, "t.yaml", environment={})
    kinds = [f"{fault.code} {fault.message}" for fault in faults]
    unseen = [any(re.fullmatch(rule, kind, re.DOTALL) for rule in UNSEEN) for kind in kinds]
    found = complaints(text)
    if not faults:
        assert found == []
    if not all(unseen) and "${" not in text:  # what a variable holds, a schema cannot know
        assert found != [], kinds


@given(
    st.lists(
        st.sampled_from(
            [
                "a",
                "orders",
                "->",
                "[",
                "]",
                ",",
                '"',
                " ",
                "\\",
                "queue",
                "exchange",
                "#",
                "\n",
                "'",
            ]
        ),
        max_size=12,
    ).map("".join)
)
@settings(max_examples=500)
def test_the_pattern_of_bindings_takes_what_their_grammar_takes(text: str) -> None:
    try:
        parse_binding(text)
    except BindingTextError:
        assert re.search(BINDING_PATTERN, text) is None
    else:
        assert re.search(BINDING_PATTERN, text)
