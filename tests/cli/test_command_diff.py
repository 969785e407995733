"""`leveret diff`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

    Invoke = Callable[..., Result]


def test_no_difference_is_status_0(invoke: Invoke) -> None:
    result = invoke("diff", "shop.yaml", "shop.yaml")
    assert result.exit_code == 0
    assert result.stdout == "no difference: shop.yaml is as shop.yaml wants it\n"


def test_differences_are_status_1(invoke: Invoke, folder: Path) -> None:
    (folder / "old.yaml").write_text("queues: [billing]\n")
    (folder / "new.yaml").write_text("queues: [billing, shipping]\n")
    result = invoke("diff", "new.yaml", "old.yaml")
    assert result.exit_code == 1
    assert "  + create queue shipping\n" in result.stdout
    assert invoke("diff", "old.yaml", "new.yaml").stdout.endswith("\n1 extra\n")


def test_a_file_is_compared_with_definitions(invoke: Invoke, folder: Path) -> None:
    assert invoke("export", "shop.yaml", "-o", "broker.json").exit_code == 0
    assert invoke("diff", "shop.yaml", "broker.json").exit_code == 0
    assert invoke("diff", "broker.json", "shop.yaml").exit_code == 0


def test_the_difference_as_json(invoke: Invoke, folder: Path) -> None:
    (folder / "old.yaml").write_text("queues: [q]\n")
    (folder / "new.yaml").write_text("queues: {q: {ttl: 1s}}\n")
    result = invoke("diff", "--json", "new.yaml", "old.yaml")
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    assert found["summary"]["recreate"] == 1
    assert found["changes"][0]["policy"]["definition"] == {"message-ttl": 1000}


def test_a_file_with_faults_is_status_2(invoke: Invoke, folder: Path) -> None:
    (folder / "bad.yaml").write_text("bindings: [a -> b]\n")
    result = invoke("diff", "shop.yaml", "bad.yaml")
    assert result.exit_code == 2
    assert "bad.yaml:1:12: error: " in result.stderr
    assert result.stdout == ""


def test_a_file_that_is_not_there_is_status_2(invoke: Invoke) -> None:
    assert invoke("diff", "shop.yaml", "missing.yaml").exit_code == 2


@pytest.mark.parametrize("address", ["amqp://localhost/%2F", "http://localhost:15672"])
def test_a_brokers_address_is_told_what_to_do_instead(invoke: Invoke, address: str) -> None:
    result = invoke("diff", "shop.yaml", address)
    assert result.exit_code == 2
    assert "a broker's address cannot be compared yet" in result.stderr
    assert "rabbitmqctl export_definitions FILE" in result.stderr.replace("\n", " ")


def test_the_difference_is_drawn_too(invoke: Invoke, folder: Path) -> None:
    (folder / "old.yaml").write_text("queues: [billing]\n")
    (folder / "new.yaml").write_text("queues: [billing, shipping]\n")
    result = invoke("diff", "new.yaml", "old.yaml", "--draw", "picture.svg")
    assert result.exit_code == 1
    assert "  + create queue shipping\n" in result.stdout
    assert "shipping" in (folder / "picture.svg").read_text(encoding="utf-8")


def test_a_picture_in_no_known_format_is_status_2(invoke: Invoke) -> None:
    result = invoke("diff", "shop.yaml", "shop.yaml", "--draw", "picture.jpg")
    assert result.exit_code == 2
    assert "'picture.jpg' ends in no known format" in result.stderr
