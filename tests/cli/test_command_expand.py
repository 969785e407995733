"""`leveret expand`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from leveret.config import load

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

    Invoke = Callable[..., Result]

SUGAR = """\
include: [common.yaml]
compatibility: "4.2"
queues:
  shipping: {dead_letter: true, ttl: 1h}
bindings:
  - orders[order.*.packed, order.*.sent] -> shipping
users:
  svc: {password: ${SVC_PASSWORD}, permissions: {"/": {configure: "^$", write: .*, read: .*}}}
"""
COMMON = """\
exchanges: [{name: orders, type: topic}]
queues: {late: {max_bytes: 1KiB, dead_letter: true}}
"""
EXPANDED = """\
version: 1
compatibility: "4.2"

virtual_hosts:
  /:
    exchanges:
      orders: {type: topic, durable: true, auto_delete: false, internal: false, arguments: {}}
      # from dead_letter: true, common.yaml line 2
      late.dlx: {type: fanout, durable: true, auto_delete: false, internal: false, arguments: {}}
      # from dead_letter: true, line 4
      shipping.dlx:
        type: fanout
        durable: true
        auto_delete: false
        internal: false
        arguments: {}

    queues:
      late:
        durable: true
        exclusive: false
        auto_delete: false
        arguments: {x-dead-letter-exchange: late.dlx, x-max-length-bytes: 1024}
      shipping:
        durable: true
        exclusive: false
        auto_delete: false
        arguments: {x-dead-letter-exchange: shipping.dlx, x-message-ttl: 3600000}
      # from dead_letter: true, common.yaml line 2
      late.dlq: {durable: true, exclusive: false, auto_delete: false, arguments: {}}
      # from dead_letter: true, line 4
      shipping.dlq: {durable: true, exclusive: false, auto_delete: false, arguments: {}}

    bindings:
      - source: orders
        destination: shipping
        destination_type: queue
        routing_key: order.*.packed
        arguments: {}
      - source: orders
        destination: shipping
        destination_type: queue
        routing_key: order.*.sent
        arguments: {}
      # from dead_letter: true, common.yaml line 2
      - source: late.dlx
        destination: late.dlq
        destination_type: queue
        routing_key: ""
        arguments: {}
      # from dead_letter: true, line 4
      - source: shipping.dlx
        destination: shipping.dlq
        destination_type: queue
        routing_key: ""
        arguments: {}

users:
  svc:
    password: "${SVC_PASSWORD}"
    tags: []
    permissions: {/: {configure: "^$", write: ".*", read: ".*"}}
    topic_permissions: {}
"""


@pytest.fixture
def sugar(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SVC_PASSWORD", "hunter2")
    (folder / "common.yaml").write_text(COMMON, encoding="utf-8")
    file = folder / "sugar.yaml"
    file.write_text(SUGAR, encoding="utf-8")
    return file


@pytest.mark.usefixtures("sugar")
def test_everything_is_spelled_out_and_no_password_shown(invoke: Invoke) -> None:
    result = invoke("expand", "sugar.yaml")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == EXPANDED


def test_what_is_written_to_a_file_is_the_same_topology_laid_out(
    invoke: Invoke, sugar: Path, folder: Path
) -> None:
    result = invoke("expand", "sugar.yaml", "-o", "out.yaml", "--no-comments")
    assert (result.exit_code, result.output) == (0, "")
    assert "#" not in (folder / "out.yaml").read_text(encoding="utf-8")
    assert load(folder / "out.yaml").virtual_hosts == load(sugar).virtual_hosts
    assert load(folder / "out.yaml").users == load(sugar).users
    assert invoke("fmt", "--check", "out.yaml").exit_code == 0
    assert invoke("expand", "out.yaml").stdout == (folder / "out.yaml").read_text(encoding="utf-8")


def test_json_is_a_topology_file_too(invoke: Invoke, sugar: Path, folder: Path) -> None:
    result = invoke("expand", "sugar.yaml", "--json")
    assert result.exit_code == 0
    data = json.loads(result.stdout)
    assert data["virtual_hosts"]["/"]["queues"]["shipping"] == {
        "durable": True,
        "exclusive": False,
        "auto_delete": False,
        "arguments": {"x-dead-letter-exchange": "shipping.dlx", "x-message-ttl": 3600000},
    }
    assert data["users"]["svc"]["password"] == "${SVC_PASSWORD}"
    (folder / "out.json").write_text(result.stdout, encoding="utf-8")
    assert load(folder / "out.json").virtual_hosts == load(sugar).virtual_hosts


def test_a_file_with_mistakes_is_not_expanded(invoke: Invoke, folder: Path) -> None:
    (folder / "bad.yaml").write_text("bindings: [a -> b]\n", encoding="utf-8")
    result = invoke("expand", "bad.yaml")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("bad.yaml:1:12: error: exchange 'a' does not exist\n")


def test_a_number_without_an_end_is_no_json(invoke: Invoke, folder: Path) -> None:
    (folder / "t.yaml").write_text("queues: {q: {arguments: {x: .inf}}}\n", encoding="utf-8")
    result = invoke("expand", "t.yaml", "--json")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        "error: JSON has no infinite numbers\n  Leave out --json: YAML has them.\n"
    )
