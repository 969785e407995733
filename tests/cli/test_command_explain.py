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


# --- a queue, an exchange, two queues


def test_a_queue_is_explained_by_its_name(invoke: Invoke) -> None:
    result = invoke("explain", "shop.yaml", "billing")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == (
        "queue 'billing' (classic)\n"
        "\n"
        "what reaches it\n"
        "├─ ✔ exchange 'orders' (topic) by 'order.created.#' or 'order.*.paid',"
        " such as 'order.created'\n"
        "└─ ✔ the default exchange, key 'billing'\n"
        "\n"
        "what becomes of it\n"
        "├─ ✔ consumed and acknowledged\n"
        "├─ ✘ rejected: discarded, since there is no dead_letter\n"
        "└─ … else it stays until consumed: it has no ttl and no limit\n"
    )


def test_an_exchange_is_explained_with_a_key_that_no_binding_takes(invoke: Invoke) -> None:
    result = invoke("explain", "shop.yaml", "work")
    assert result.exit_code == 0
    assert result.stdout == (
        "exchange 'work' (direct)\n"
        "\n"
        "who gets what\n"
        "└─ ✘ every message, since nothing is bound to it:"
        " returned if published as mandatory, dropped otherwise\n"
    )
    orders = invoke("explain", "shop.yaml", "orders").stdout
    assert "└─ ↪ what no binding takes, such as 'order.x', ─▶ alternate exchange" in orders


def test_two_queues_are_compared(invoke: Invoke) -> None:
    result = invoke("explain", "shop.yaml", "billing", "--with", "shipping")
    assert result.exit_code == 0
    assert result.stdout == (
        "queues 'billing' and 'shipping'\n"
        "└─ ✔ exchange 'orders' (topic): both get 'order.created.packed'\n"
        "✔ one message can reach both\n"
    )


def test_a_name_that_two_have_needs_an_option(invoke: Invoke) -> None:
    result = invoke("explain", "shop.yaml", "unrouted")
    assert result.exit_code == 2
    assert "both a queue and an exchange are called 'unrouted'" in result.stderr
    assert "say --queue or --exchange" in result.stderr
    queue = invoke("explain", "shop.yaml", "unrouted", "--queue").stdout
    exchange = invoke("explain", "shop.yaml", "unrouted", "--exchange").stdout
    assert (queue[:5], exchange[:8]) == ("queue", "exchange")


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        (["billing"], "queue"),
        (["orders"], "exchange"),
        (["billing", "--with", "shipping"], "pair"),
    ],
)
def test_explanations_are_json_too(invoke: Invoke, arguments: list[str], kind: str) -> None:
    found = json.loads(invoke("explain", "shop.yaml", *arguments, "--json").stdout)
    assert found["kind"] == kind
    assert found["virtual_host"] == "/"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["biling"],
            "error: no queue or exchange 'biling' in virtual host '/'\n  Did you mean 'billing'?\n",
        ),
        (
            ["orders", "--queue"],
            "error: no queue 'orders' in virtual host '/'\n  An exchange is called 'orders'.\n",
        ),
        (
            ["billing", "--with", "orders"],
            "error: no queue 'orders' in virtual host '/'\n  An exchange is called 'orders'.\n",
        ),
        (["billing", "--vhost", "x"], "error: no virtual host 'x'\n  There is '/'.\n"),
        (["orders", "a", "--vhost", "x"], "error: no virtual host 'x'\n  Known here: /.\n"),
    ],
)
def test_an_unknown_name_is_status_1(invoke: Invoke, arguments: list[str], message: str) -> None:
    result = invoke("explain", "shop.yaml", *arguments)
    assert (result.exit_code, result.stderr, result.stdout) == (1, message, "")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["billing", "--header", "a=1"], "give its KEY too"),
        (["orders", "a", "--with", "billing"], "name one before it, without KEY"),
        (["billing", "billing", "--queue"], 'goes to the exchange ""'),
    ],
)
def test_options_that_contradict_each_other_are_status_2(
    invoke: Invoke, arguments: list[str], complaint: str
) -> None:
    result = invoke("explain", "shop.yaml", *arguments)
    assert result.exit_code == 2
    assert complaint in result.stderr


def test_another_virtual_host_is_named(invoke: Invoke) -> None:
    with open("hosts.yaml", "w") as file:
        file.write(
            "virtual_hosts: {eu: {exchanges: {x: topic}, queues: [q], bindings: ['x[a] -> q']}}"
        )
    assert invoke("explain", "hosts.yaml", "q", "--vhost", "eu").stdout.startswith(
        "queue 'q' (classic) in virtual host 'eu'\n"
    )
    route = invoke("explain", "hosts.yaml", "x", "a", "--vhost", "eu").stdout
    assert route.splitlines()[-1] == "✔ reaches 'q'"
    elsewhere = invoke("explain", "hosts.yaml", "q")
    assert elsewhere.stderr.endswith("  Virtual host 'eu' has it.\n")


def test_definitions_are_explained_as_well(invoke: Invoke) -> None:
    definitions = {
        "queues": [{"name": "q", "vhost": "/", "durable": True, "auto_delete": False}],
        "bindings": [
            {"source": "amq.topic", "vhost": "/", "destination": "q", "destination_type": "queue"}
            | {"routing_key": "a.#", "arguments": {}}
        ],
        "vhosts": [{"name": "/"}],
    }
    with open("definitions.json", "w") as file:
        json.dump(definitions, file)
    assert "'amq.topic' (topic) by 'a.#'" in invoke("explain", "definitions.json", "q").stdout
    route = invoke("explain", "definitions.json", "amq.topic", "a.b")
    assert route.stdout.splitlines()[-1] == "✔ reaches 'q'"
