"""`leveret explain`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.testing import Result

    Invoke = Callable[..., Result]


def test_the_route_is_drawn_with_its_reasons(invoke: Invoke) -> None:
    result = invoke("explain", "shop.yaml", "orders", "order.17.paid")
    assert result.exit_code == 0
    assert result.stderr == ""
    assert result.stdout == (
        "exchange 'orders' (topic) ◀─ routing key 'order.17.paid'\n"
        "├─ ✘ 'order.created.#' ─▶ queue 'billing': word 2 is '17', the pattern wants 'created'\n"
        "├─ ✔ 'order.*.paid'    ─▶ queue 'billing'\n"
        "└─ ✘ 'order.*.packed'  ─▶ queue 'shipping': word 3 is 'paid', the pattern wants 'packed'\n"
        "✔ reaches 'billing'\n"
    )


def test_a_message_that_reaches_nothing_is_an_answer(invoke: Invoke) -> None:
    result = invoke("explain", "shop.yaml", "work", "pack")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1].startswith("✘ reaches no queue")


def test_the_default_exchange_is_an_empty_name(invoke: Invoke) -> None:
    result = invoke("explain", "shop.yaml", "", "billing")
    assert result.stdout.splitlines()[-1] == "✔ reaches 'billing'"


@pytest.mark.parametrize(
    ("width", "reached"),
    [("640", ["thumbnails"]), ("'640'", []), ("640.0", []), ("0x280", ["thumbnails"])],
)
def test_a_header_is_compared_with_its_type(invoke: Invoke, width: str, reached: list[str]) -> None:
    result = invoke(
        "explain",
        "shop.yaml",
        "images",
        "",
        "--header",
        "format=png",
        "--header",
        f"width={width}",
        "--json",
    )
    assert json.loads(result.stdout)["queues"] == reached


def test_cc_adds_routing_keys(invoke: Invoke) -> None:
    result = invoke("explain", "shop.yaml", "work", "pack", "--header", "CC=[billing]", "--json")
    assert json.loads(result.stdout)["routing_keys"] == ["pack", "billing"]


def test_the_route_as_json_has_every_binding_considered(invoke: Invoke) -> None:
    route = json.loads(invoke("explain", "shop.yaml", "orders", "order.17.paid", "--json").stdout)
    assert route["queues"] == ["billing"]
    [visit] = route["visits"]
    assert [binding["matched"] for binding in visit["bindings"]] == [False, True, False]
    assert all(binding["reason"] for binding in visit["bindings"] if not binding["matched"])


def test_properties_are_given_by_name(invoke: Invoke) -> None:
    result = invoke(
        "explain",
        "shop.yaml",
        "",
        "billing",
        "--property",
        "priority=5",
        "--property",
        "message_id=7",
    )
    assert result.exit_code == 0


@pytest.mark.parametrize(
    ("exchange", "message"),
    [
        (
            "ordres",
            "error: 404 NOT_FOUND - no exchange 'ordres' in vhost '/'\n  Did you mean 'orders'?\n",
        ),
        (
            "inside",
            "error: 403 ACCESS_REFUSED - cannot publish to internal exchange 'inside'"
            " in vhost '/'\n",
        ),
    ],
)
def test_what_rabbitmq_would_refuse_is_a_finding(
    invoke: Invoke, exchange: str, message: str
) -> None:
    """S26, S27."""
    result = invoke("explain", "shop.yaml", exchange, "a")
    assert (result.exit_code, result.stderr, result.stdout) == (1, message, "")


@pytest.mark.parametrize(
    ("option", "value", "complaint"),
    [
        ("--header", "format", "'format' is not NAME=VALUE"),
        ("--header", "=5", "'=5' is not NAME=VALUE"),
        ("--header", "a='open", "a: the quote that opens here is never closed"),
        ("--property", "priority=high", "'priority' must be a whole number"),
        ("--property", "priority=256", "'priority' is 256: It goes from 0 to 255."),
        ("--property", "prio=5", "unknown property 'prio': Did you mean 'priority'?"),
        ("--property", "headers=5", "headers are not among the properties"),
    ],
)
def test_an_option_that_makes_no_sense_is_status_2(
    invoke: Invoke, option: str, value: str, complaint: str
) -> None:
    result = invoke("explain", "shop.yaml", "orders", "a", option, value)
    assert result.exit_code == 2
    assert complaint in result.stderr


def test_a_routing_key_over_255_bytes_is_status_2(invoke: Invoke) -> None:
    result = invoke("explain", "shop.yaml", "orders", "k" * 256)
    assert result.exit_code == 2
    assert "'key' is 256 bytes long" in result.stderr


def test_a_topology_with_faults_is_status_1_and_prints_nothing_else(invoke: Invoke) -> None:
    with open("bad.yaml", "w") as file:
        file.write("queues: {q: {tll: 5}}\n")
    result = invoke("explain", "bad.yaml", "orders", "a", "--json")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("bad.yaml:1:14: error: ")
