"""`leveret import` and `leveret export`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

    Invoke = Callable[..., Result]

DEFINITIONS: dict[str, Any] = {
    "rabbit_version": "4.1.0",
    "vhosts": [{"name": "/"}],
    "queues": [
        {
            "name": "billing",
            "vhost": "/",
            "type": "classic",
            "durable": True,
            "auto_delete": False,
            "arguments": {"x-message-ttl": 3600000},
        }
    ],
    "global_parameters": [{"name": "cluster_name", "value": "rabbit@here"}],
}


@pytest.fixture
def definitions(folder: Path) -> Path:
    file = folder / "definitions.json"
    file.write_text(json.dumps(DEFINITIONS), encoding="utf-8")
    return file


@pytest.mark.usefixtures("definitions")
def test_definitions_are_written_as_a_topology_and_what_is_kept_is_named(invoke: Invoke) -> None:
    result = invoke("import", "definitions.json")
    assert result.exit_code == 0
    assert result.stdout.startswith("# Imported by leveret from the definitions of RabbitMQ 4.1.0")
    assert "\n  billing: {ttl: 1h}\n" in result.stdout
    assert result.stderr == "note: kept: rabbit_version\nnote: kept: 1 global parameter\n"


@pytest.mark.usefixtures("definitions")
def test_import_then_export_gives_the_same_definitions(invoke: Invoke, folder: Path) -> None:
    assert invoke("import", "definitions.json", "-o", "topology.yaml").stdout == ""
    assert invoke("check", "topology.yaml").exit_code == 0
    result = invoke("export", "topology.yaml", "--output", "again.json")
    assert (result.exit_code, result.output) == (0, "")
    assert json.loads((folder / "again.json").read_text(encoding="utf-8")) == DEFINITIONS


def test_export_writes_every_section_and_names_what_it_leaves_out(
    invoke: Invoke, folder: Path
) -> None:
    (folder / "t.yaml").write_text("queues: [q]\nrequests: {ask: {routing_key: q}}\n")
    result = invoke("export", "t.yaml")
    assert result.exit_code == 0
    written = json.loads(result.stdout)
    assert [queue["name"] for queue in written["queues"]] == ["q"]
    assert written["bindings"] == []
    assert result.stderr == "note: not in the definitions: requests: ask\n"


def test_a_topology_with_faults_is_not_exported(invoke: Invoke, folder: Path) -> None:
    (folder / "bad.yaml").write_text("bindings: [a -> b]\n")
    result = invoke("export", "bad.yaml")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "bad.yaml:1:12: error: exchange 'a' does not exist" in result.stderr


def test_what_is_no_definitions_file_is_not_imported(invoke: Invoke) -> None:
    result = invoke("import", "shop.yaml")
    assert result.exit_code == 1
    assert result.stderr.startswith("shop.yaml:1:1: error: this is not JSON")


def test_an_output_that_cannot_be_written_is_status_2(invoke: Invoke) -> None:
    result = invoke("export", "shop.yaml", "-o", "nowhere/out.json")
    assert result.exit_code == 2
    assert "cannot write nowhere/out.json: no such file or directory" in result.stderr


def test_export_writes_no_number_that_json_lacks(invoke: Invoke, folder: Path) -> None:
    (folder / "odd.yaml").write_text("exchanges: {o: {type: topic, arguments: {k: .nan}}}\n")
    result = invoke("export", "odd.yaml")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "JSON has no infinite numbers" in result.stderr


def test_a_user_with_password_and_hash_is_kept_as_rabbitmq_would_refuse_it(
    invoke: Invoke, folder: Path
) -> None:
    user = '{"name": "u", "password": "p", "password_hash": "aGFzaA==", "tags": []}'
    (folder / "both.json").write_text(f'{{"vhosts": [], "users": [{user}]}}')
    result = invoke("import", "both.json")
    assert result.exit_code == 0
    assert "RabbitMQ refuses a user with both a password and its hash" in result.stderr
