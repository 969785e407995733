"""The compatibility profiles, row by row; what a row does is tested beside its statement.

Statements: S14 S20 S49 S68 S75 S84 S86 S87 S105 S107 S119 S122.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from leveret import Broker, ManualClock
from leveret.engine import PROFILES, Profile

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.engine.conftest import Make

VERSIONS = ("3.10", "3.13", "4.2", "4.3")

MIB = 1024 * 1024

# row -> (what the profile says, in the order of the versions)
ROWS: dict[str, tuple[Callable[[Profile], object], list[object]]] = {
    "S20 transient queues": (lambda p: p.transient_queues, [True, True, True, False]),
    "S75 global prefetch": (lambda p: p.global_qos, [True, True, True, False]),
    "S86 timeouts": (lambda p: p.classic_consumer_timeout, [True, True, True, False]),
    "S87 delivery limit": (lambda p: p.queues.delivery_limit, [None, None, 20, 20]),
    "S87 nack counts": (lambda p: p.queues.nack_counts_delivery, [True, True, True, False]),
    "S107 x-death": (lambda p: p.deaths.trusts_client, [True, True, False, False]),
    "S105 last death": (lambda p: p.deaths.records_last, [False, True, True, True]),
    "S122 frame_max": (lambda p: p.frame_min_bytes, [4096, 4096, 8192, 8192]),
    "S68 message": (lambda p: p.max_message_bytes // MIB, [128, 128, 16, 16]),
    "S49 hashes": (lambda p: p.topic_hash_words, [None, None, None, 2]),
    "S119 replies": (lambda p: p.returns_direct_replies, [True, True, False, False]),
    "S14 exchange types": (lambda p: p.unknown_exchange_type_is_soft, [False, True, True, True]),
    "S84 cancel": (lambda p: p.queues.runs_on_cancel, [False, False, True, True]),
}


@pytest.mark.parametrize("row", ROWS)
def test_each_version_has_its_answer(row: str) -> None:
    read, answers = ROWS[row]
    assert [read(PROFILES[version]) for version in VERSIONS] == answers


def test_the_profiles_are_these_and_4_2_is_the_default() -> None:
    assert tuple(PROFILES) == VERSIONS
    assert Broker(clock=ManualClock()).profile.version == "4.2"


@pytest.mark.parametrize("version", VERSIONS)
def test_a_broker_is_made_with_one(make: Make, version: str) -> None:
    assert make(version).profile is PROFILES[version]


def test_an_unknown_one_is_refused_with_those_there_are() -> None:
    with pytest.raises(ValueError, match=r"no profile '3\.9'; it takes one of 3\.10, 3\.13, 4\.2"):
        Broker(profile="3.9")
