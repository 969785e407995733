"""What RabbitMQ would refuse when a file's objects are declared, in its own words, with a remedy.

The rules are those of the exchange types and of queue.declare; here they get a place in the file.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from attrs import frozen

from leveret.deduplication import DEDUPLICATION_CHECKS
from leveret.errors import PreconditionFailed
from leveret.exchanges import BindingLimits
from leveret.queues.arguments import check_arguments, queue_type
from leveret.queues.rules import RULES

if TYPE_CHECKING:
    from leveret.config.model import Policy, QueueDeclaration

__all__ = ["BINDING_LIMITS", "Refusal", "policy_refusal", "queue_refusal", "reworded"]

#: Compatibility -> what it refuses in a binding (S49). Others refuse nothing.
BINDING_LIMITS = {"4.3": BindingLimits(topic_hash_words=2)}

#: What a policy may apply to before RabbitMQ 3.12.
_APPLY_TO_BEFORE_3_12 = ("all", "exchanges", "queues")

_CAUSE = re.compile(r"invalid (?:arg|property) '([^']+)'")

#: RabbitMQ's name of a property -> the key of a queue.
_PROPERTIES = {
    "non-durable": "durable",
    "exclusive-owner": "exclusive",
    "auto-delete": "auto_delete",
}

#: What RabbitMQ's text holds -> what to do. The first that fits is given.
_REMEDIES = {
    "'x-message-deduplication'": "Write true or false.",
    "'x-deduplication-header'": "Write the name of a header.",
    "'x-cache-size'": "Write how many identifiers to remember, 1 or more.",
    "'x-cache-ttl'": "Write for how many milliseconds to remember an identifier.",
    "'x-cache-persistence'": "Write disk or memory.",
    "routing_key_but_no_dlx_defined": "Name the exchange too: dead_letter: {exchange: …}.",
    "{value_zero,": "Write a duration of 1ms or more, or leave the key out.",
    "{value_negative,": "Write 0 or more.",
    "{value_too_large,": "Write ten years or less.",
    "{max_value_exceeded,": "Write 255 or less; few priorities are as good as many.",
    "invalid property": "A quorum queue is durable and belongs to no one; remove it.",
    "of queue type": "Remove it, or choose the type of queue that knows it.",
    "'#' wildcards": "Use fewer '#', or stay with an earlier compatibility.",
    "x-match": "Write all or any; with '-with-x', headers that begin with 'x-' count too.",
    "binding key must": "The key of a binding to such an exchange is its weight: 1 or more.",
    "invalid_overflow": "Write drop-head, reject-publish or reject-publish-dlx.",
    "unsupported queue": "Write one that RabbitMQ knows, or remove it.",
}


@frozen
class Refusal:
    """Why RabbitMQ would refuse an object; `cause` is the argument or key at fault."""

    cause: str
    message: str
    remedy: str


def reworded(error: PreconditionFailed, what: str) -> Refusal:
    """Return a refusal of an exchange, queue or binding as a fault of the file."""
    found = _CAUSE.search(error.text)
    cause = found.group(1) if found else ""
    remedies = (remedy for hint, remedy in _REMEDIES.items() if hint in error.text)
    who = "leveret" if cause in DEDUPLICATION_CHECKS else "RabbitMQ"
    message = f"{who} refuses this {what}: {error.reply_text}"
    return Refusal(
        _PROPERTIES.get(cause, cause), message, next(remedies, "Correct it, or leave it out.")
    )


def queue_refusal(queue: QueueDeclaration, host: str, compatibility: str) -> Refusal | None:
    """Return why RabbitMQ would refuse a queue (S13–S20), or None."""
    resource = f"queue '{queue.name}' in vhost '{host}'"
    try:
        check_arguments(queue.arguments, resource, RULES.get(compatibility))
        if queue_type(queue.arguments) != "classic":
            _check_replicated(queue, resource)
    except PreconditionFailed as error:
        return reworded(error, "queue")
    if compatibility == "4.3" and not queue.durable and not queue.exclusive:
        return Refusal(
            "durable",
            "RabbitMQ 4.3 refuses a transient queue that is not exclusive",
            "Make it durable, or exclusive, or stay with an earlier compatibility.",
        )
    return None


def policy_refusal(policy: Policy, compatibility: str) -> Refusal | None:
    """Return why RabbitMQ would refuse a policy, or None."""
    if compatibility != "3.10" or policy.apply_to in _APPLY_TO_BEFORE_3_12:
        return None
    return Refusal(
        "apply_to",
        f"RabbitMQ {compatibility} refuses this policy: apply-to '{policy.apply_to}' unrecognised;"
        " should be 'queues', 'exchanges' or 'all'",
        "Write 'queues', and let the pattern tell the queues apart; or use RabbitMQ 3.12 or later.",
    )


def _check_replicated(queue: QueueDeclaration, resource: str) -> None:
    """Refuse the properties that a quorum queue or a stream cannot have (S19, S126)."""
    refused = (
        ("non-durable", not queue.durable),
        ("exclusive-owner", queue.exclusive),
        ("auto-delete", queue.auto_delete),
    )
    for name, given in refused:
        if given:
            raise PreconditionFailed(f"invalid property '{name}' for {resource}")
