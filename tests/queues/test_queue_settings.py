"""What holds for a queue whose arguments and policies both say something (S100)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from leveret.queues import QueueSettings, effective_settings

if TYPE_CHECKING:
    from leveret.properties import FieldTable, FieldValue

QUORUM = {"x-queue-type": "quorum"}


def test_nothing_said_is_a_plain_classic_queue() -> None:
    assert effective_settings({}) == QueueSettings()
    assert effective_settings({}, {}) == QueueSettings(type="classic", overflow="drop-head")


@pytest.mark.parametrize("arguments", [{}, QUORUM], ids=["classic", "quorum"])
@pytest.mark.parametrize(
    ("key", "setting"),
    [
        ("message-ttl", "message_ttl_ms"),
        ("expires", "expires_ms"),
        ("max-length", "max_length"),
        ("max-length-bytes", "max_length_bytes"),
        ("consumer-timeout", "consumer_timeout_ms"),
    ],
)
@pytest.mark.parametrize(
    ("policy", "argument", "held"),
    [(7, None, 7), (None, 7, 7), (2, 5, 2), (9, 5, 5), (0, 5, 0), (5, 5, 5), (None, None, None)],
)
def test_s100_of_two_numbers_the_smaller_holds(
    arguments: FieldTable,
    key: str,
    setting: str,
    policy: int | None,
    argument: int | None,
    held: int | None,
) -> None:
    """S100."""
    if argument is not None:
        arguments = {**arguments, f"x-{key}": argument}
    definition: dict[str, FieldValue] = {} if policy is None else {key: policy}
    assert getattr(effective_settings(arguments, definition), setting) == held


@pytest.mark.parametrize(
    ("key", "setting", "values", "default"),
    [
        ("dead-letter-exchange", "dead_letter_exchange", ("p", "a"), None),
        ("dead-letter-exchange", "dead_letter_exchange", ("p", ""), None),
        ("dead-letter-routing-key", "dead_letter_routing_key", ("p", "a"), None),
        ("overflow", "overflow", ("reject-publish", "drop-head"), "drop-head"),
    ],
)
def test_s100_of_two_names_the_argument_holds(
    key: str, setting: str, values: tuple[str, str], default: str | None
) -> None:
    """S100."""
    policy, argument = values

    def held(arguments: dict[str, Any], definition: dict[str, Any]) -> object:
        return getattr(effective_settings(arguments, definition), setting)

    assert held({f"x-{key}": argument}, {key: policy}) == argument
    assert held({f"x-{key}": argument}, {}) == argument
    assert held({}, {key: policy}) == policy
    assert held({}, {}) == default


@pytest.mark.parametrize(
    ("argument", "policy", "default", "held"),
    [
        (None, None, None, None),
        (None, None, 20, 20),
        (3, None, 20, 3),
        (None, 3, 20, 3),
        (3, 5, 20, 3),
        (5, 3, 20, 3),
        (30, None, 20, 30),
        (-1, None, 20, None),
        (None, -1, 20, None),
        (-1, 5, 20, 5),
        (5, -1, 20, 5),
        (-1, -1, 20, None),
        (0, None, 20, 0),
        ("x", None, 20, 20),
    ],
)
def test_s87_the_delivery_limit_of_a_quorum_queue(
    argument: int | str | None, policy: int | None, default: int | None, held: int | None
) -> None:
    """S87: a number beats no limit (`rabbit_quorum_queue:resolve_delivery_limit`)."""
    arguments = QUORUM if argument is None else {**QUORUM, "x-delivery-limit": argument}
    definition: dict[str, FieldValue] = {} if policy is None else {"delivery-limit": policy}
    found = effective_settings(arguments, definition, default_delivery_limit=default)
    assert found.delivery_limit == held


def test_a_classic_queue_has_no_delivery_limit() -> None:
    found = effective_settings({}, {"delivery-limit": 5}, default_delivery_limit=20)
    assert found.delivery_limit is None


def test_priorities_are_of_classic_queues_and_of_arguments_alone() -> None:
    assert effective_settings({"x-max-priority": 5}, {}).max_priority == 5
    assert effective_settings({}, {"max-priority": 5}).max_priority is None
    assert effective_settings({**QUORUM, "x-max-priority": 5}).max_priority is None


def test_a_single_active_consumer_is_asked_for_by_argument() -> None:
    assert effective_settings({"x-single-active-consumer": True}).single_active_consumer
    assert not effective_settings({"x-single-active-consumer": False}).single_active_consumer
    assert not effective_settings({}).single_active_consumer


@pytest.mark.parametrize("where", ["argument", "policy"])
def test_s96_a_quorum_queue_cannot_dead_letter_what_it_refuses(where: str) -> None:
    """S96: it takes reject-publish-dlx for the default (`rabbit_quorum_queue:overflow/3`)."""
    overflow: FieldValue = "reject-publish-dlx"
    arguments = {**QUORUM, "x-overflow": overflow} if where == "argument" else QUORUM
    definition = {"overflow": overflow} if where == "policy" else {}
    assert effective_settings(arguments, definition).overflow == "drop-head"


def test_on_a_quorum_queue_a_policy_decides_about_overflow() -> None:
    """`rabbit_quorum_queue` looks overflow up with `policy_has_precedence`, unlike classic."""
    arguments = {**QUORUM, "x-overflow": "drop-head"}
    assert (
        effective_settings(arguments, {"overflow": "reject-publish"}).overflow == "reject-publish"
    )
    assert effective_settings(arguments, {}).overflow == "drop-head"
