"""`schemas` of a topology file: what violates them is refused, in process and over AMQP."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pika
import pytest

from leveret import Broker, ManualClock, Properties
from leveret.config import load, loads
from leveret.errors import PreconditionFailed, TopologyError

if TYPE_CHECKING:
    from pathlib import Path

    from leveret.config import Topology
    from leveret.properties import FieldValue

TEXT = """
exchanges:
  orders:
    type: topic
    unknown_schema: {unknown}
    schemas:
      - content_type: application/json
        version: 2
        schema:
          title: order
          required: [id]
          properties: {{id: {{type: integer}}}}
      - {{content_type: application/json, version: 1, enforce: false, schema: {{required: [id]}}}}
      - {{content_type: application/vnd.shop+json, schema: {{type: object}}}}
queues: [billing]
bindings: ["orders[#] -> billing"]
"""
JSON = "application/json"


def topology(unknown: str = "accept") -> Topology:
    return loads(TEXT.format(unknown=unknown), "t.yaml", environment={})


def publish(
    broker: Broker, body: bytes, content_type: str | None, version: int | str | None = None
) -> str | None:
    """Publish a message; return why it was refused, or None."""
    headers: dict[str, FieldValue] = {} if version is None else {"x-schema-version": version}
    properties = Properties(content_type=content_type, headers=headers or None)
    try:
        broker.basic_publish("orders", "order.created", body, properties)
    except PreconditionFailed as error:
        return error.text
    return None


@pytest.mark.parametrize(
    ("body", "content_type", "version", "refusal"),
    [
        (b'{"id": 1}', JSON, 2, None),
        (b'{"id": 1}', "Application/JSON; charset=utf-8", "2", None),
        (
            b'{"id": "x"}',
            JSON,
            2,
            "message for exchange 'orders' violates schema 'order' at"
            " $.id: 'x' is not of type 'integer'",
        ),
        (b"{}", JSON, "2", "violates schema 'order' at $: 'id' is a required property"),
        (b"{", JSON, 2, "violates schema 'order' at $: the body is no JSON"),
        (b"\xff", JSON, 2, "violates schema 'order' at $: the body is no JSON"),
        (b"NaN", JSON, 2, "violates schema 'order' at $: the body is no JSON: NaN"),
        (b"[" * 200_000, JSON, 2, "violates schema 'order' at $: lists and maps are nested"),
        (b"{}", JSON, 1, None),  # counted
        (b"5", "application/vnd.shop+json", None, "$: 5 is not of type 'object'"),
        (b"{}", "application/vnd.shop+json", 77, None),
        (b"{}", JSON, 3, None),  # no schema is for it
        (b"{}", None, 2, None),
    ],
)
def test_each_message_is_held_against_the_schema_that_is_for_it(
    body: bytes, content_type: str | None, version: int | str | None, refusal: str | None
) -> None:
    broker = Broker.from_topology(topology(), clock=ManualClock())
    found = publish(broker, body, content_type, version)
    assert (found is None) == (refusal is None)
    assert refusal is None or refusal in (found or "")


@pytest.mark.parametrize(
    ("unknown", "refusal", "violations"),
    [
        ("accept", None, 0),
        ("count", None, 1),
        (
            "refuse",
            "message for exchange 'orders' has no schema: none is for content type"
            " 'application/json' and x-schema-version '3'",
            1,
        ),
    ],
)
def test_a_message_without_a_schema_is_what_the_file_says(
    unknown: str, refusal: str | None, violations: int
) -> None:
    broker = Broker.from_topology(topology(unknown), clock=ManualClock())
    assert publish(broker, b"{}", JSON, 3) == refusal
    [figures] = broker.virtual_hosts["/"].statistics().validators
    assert figures.violations == violations


def test_over_amqp_it_is_the_channel_that_is_closed() -> None:
    broker = Broker.from_topology(topology())
    with broker.serve(port=0) as server:
        connection = pika.BlockingConnection(pika.URLParameters(server.url))
        channel = connection.channel()
        channel.confirm_delivery()
        properties = pika.BasicProperties(content_type=JSON, headers={"x-schema-version": 2})
        channel.basic_publish("orders", "order.created", b'{"id": 7}', properties)
        with pytest.raises(pika.exceptions.ChannelClosedByBroker) as caught:
            channel.basic_publish("orders", "order.created", b'{"id": "7"}', properties)
        assert caught.value.reply_code == 406
        assert caught.value.reply_text == (
            "PRECONDITION_FAILED - message for exchange 'orders' violates schema 'order' at"
            " $.id: '7' is not of type 'integer'"
        )
        channel = connection.channel()
        assert channel.queue_declare("billing", passive=True).method.message_count == 1
        connection.close()


def test_a_file_is_looked_for_beside_the_file_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "parts" / "schemas").mkdir(parents=True)
    (tmp_path / "t.yaml").write_text("include: [parts/a.yaml]\nqueues: [b]", encoding="utf-8")
    (tmp_path / "parts" / "a.yaml").write_text(
        "queues: {a: {schema_header: v, schemas: [{schema: schemas/item.v1.json}]}}",
        encoding="utf-8",
    )
    schema = tmp_path / "parts" / "schemas" / "item.v1.json"
    schema.write_text('{"minimum": 0}', encoding="utf-8")
    topology = load(tmp_path / "t.yaml")
    broker = Broker.from_topology(topology, clock=ManualClock())
    with pytest.raises(PreconditionFailed, match=r"violates schema 'item.v1' at \$: -1 is less"):
        broker.basic_publish("", "a", b"-1")
    (tmp_path / "expanded.yaml").write_text(topology.expand(), encoding="utf-8")
    again = load(tmp_path / "expanded.yaml").virtual_hosts["/"].queues["a"]
    assert again == topology.virtual_hosts["/"].queues["a"]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('{"a": 1,}', "it is no JSON: "),
        ('{"type": "ordr"}', "$.type: 'ordr' is not valid"),
        ('{"$ref": "none.json"}', "its '$ref' 'none.json' leads to nothing"),
        (b"\xff\xfe\x00", "it is no JSON"),
        ("[" * 300_000, "it is no JSON"),
    ],
)
def test_a_file_that_is_no_schema_is_a_fault_where_it_is_named(
    tmp_path: Path, text: str | bytes, fault: str
) -> None:
    (tmp_path / "t.yaml").write_text("queues:\n  a: {schemas: [{schema: s.json}]}")
    (tmp_path / "s.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(TopologyError) as caught:
        load(tmp_path / "t.yaml")
    [found] = caught.value.faults
    assert str(found.position) == f"{tmp_path / 't.yaml'}:2:26"
    assert fault in found.message


def test_defaults_hold_for_exchanges_that_say_nothing_else() -> None:
    text = (
        "defaults: {exchange: {schemas: [{schema: {type: object}}], schema_header: v}}\n"
        "exchanges: {a: fanout, b: {type: fanout, schemas: []}}\n"
    )
    exchanges = loads(text).virtual_hosts["/"].exchanges
    assert exchanges["a"].schemas is not None
    assert exchanges["a"].schemas.version_header == "v"
    assert exchanges["b"].schemas is None
