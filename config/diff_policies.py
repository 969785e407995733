"""Policies of one side of a comparison: what they reach, and which would stand in for arguments."""

from __future__ import annotations

import re
import warnings
from typing import TYPE_CHECKING, Any, Self

from attrs import frozen

from leveret.config.diff import Aspect, SuggestedPolicy

if TYPE_CHECKING:
    from leveret.config.definitions import Definitions, Object

__all__ = ["POLICY_KEYS", "Policies"]

#: Argument -> the key by which a policy says the same.
POLICY_KEYS = {
    "x-message-ttl": "message-ttl",
    "x-expires": "expires",
    "x-max-length": "max-length",
    "x-max-length-bytes": "max-length-bytes",
    "x-overflow": "overflow",
    "x-dead-letter-exchange": "dead-letter-exchange",
    "x-dead-letter-routing-key": "dead-letter-routing-key",
    "x-dead-letter-strategy": "dead-letter-strategy",
    "x-delivery-limit": "delivery-limit",
    "x-consumer-timeout": "consumer-timeout",
    "x-queue-mode": "queue-mode",
    "x-queue-version": "queue-version",
    "x-queue-leader-locator": "queue-leader-locator",
    "alternate-exchange": "alternate-exchange",
}

#: Policy keys of which the lower value counts if argument and policy both give one (S100).
_LOWER_COUNTS = {
    "message-ttl",
    "expires",
    "max-length",
    "max-length-bytes",
    "delivery-limit",
    "consumer-timeout",
}

_SPECIAL = re.compile(r"([\\.^$*+?()\[\]{}|])")


@frozen
class Policies:
    """The policies of a virtual host, and the names they may match."""

    policies: list[Object]
    queues: dict[str, str]  # name -> type
    exchanges: list[str]

    @classmethod
    def of(cls, definitions: Definitions, host: str) -> Self:
        """Take the policies of a virtual host out of definitions."""

        def here(section: str) -> list[Object]:
            return [item for item in definitions[section] if item.get("vhost", "/") == host]

        return cls(
            here("policies"),
            {item["name"]: _queue_type(item) for item in here("queues")},
            [item["name"] for item in here("exchanges")],
        )

    def reach(self, policy: Any) -> int:
        """Return how many exchanges and queues a policy matches."""
        return sum(_applies(policy, name, kind) for name, kind in self.queues.items()) + sum(
            _applies(policy, name, "exchange") for name in self.exchanges
        )

    def instead_of(
        self, kind: str, name: str, arguments: tuple[Aspect, ...]
    ) -> SuggestedPolicy | None:
        """Return a policy that says what the arguments of one object say, if one can.

        Only the matching policy of the highest priority counts (S100), so this one repeats what
        that sets.
        """
        keys = {aspect.name: POLICY_KEYS.get(aspect.name) for aspect in arguments}
        said = {keys[aspect.name]: aspect for aspect in arguments if aspect.wanted is not None}
        if None in keys.values() or not said:
            return None
        queue_type = self.queues.get(name, "classic") if kind == "queue" else "exchange"
        rival = self._effective(name, queue_type)
        definition = dict(rival.get("definition") or {}) if rival else {}
        definition |= {str(key): aspect.wanted for key, aspect in said.items()}
        return SuggestedPolicy(
            f"{name}-{'-'.join(map(str, said))}" if len(said) == 1 else f"{name}-settings",
            "^" + _SPECIAL.sub(r"\\\1", name) + "$",
            "queues" if kind == "queue" else "exchanges",
            _priority(rival) + 1 if rival else 0,
            definition,
            suffices=all(map(_takes_effect, arguments)),
        )

    def _effective(self, name: str, kind: str) -> Object | None:
        matching = [policy for policy in self.policies if _applies(policy, name, kind)]
        return max(matching, key=_priority, default=None)


def _takes_effect(aspect: Aspect) -> bool:
    """Tell whether a policy can change what an argument says now."""
    if aspect.present is None:
        return True
    if POLICY_KEYS.get(aspect.name) not in _LOWER_COUNTS:
        return False
    numbers = isinstance(aspect.wanted, int) and isinstance(aspect.present, int)
    return numbers and aspect.wanted < aspect.present


def _priority(policy: Object) -> int:
    priority = policy.get("priority", 0)
    return priority if isinstance(priority, int) else 0


def _applies(policy: Any, name: str, kind: str) -> bool:
    """Tell whether a policy matches an exchange, or a queue of the type `kind`."""
    if not isinstance(policy, dict):
        return False
    apply_to, pattern = policy.get("apply-to", "all"), policy.get("pattern")
    kinds = {
        "all": True,
        "exchanges": kind == "exchange",
        "queues": kind != "exchange",
        "classic_queues": kind == "classic",
        "quorum_queues": kind == "quorum",
        "streams": kind == "stream",
    }
    if not kinds.get(apply_to, False) or not isinstance(pattern, str):
        return False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about spellings that a later Python will refuse
            return re.search(pattern, name) is not None
    except (re.error, RecursionError, OverflowError):
        return False  # RabbitMQ's expressions are a wider language than Python's


def _queue_type(item: Object) -> str:
    arguments = item.get("arguments")
    found = arguments.get("x-queue-type") if isinstance(arguments, dict) else None
    return found if isinstance(found, str) else "classic"
