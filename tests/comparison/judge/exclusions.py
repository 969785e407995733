"""What is not compared, and why: the few places where RabbitMQ 3.10.8 is not worth following.

Each was seen on RabbitMQ 3.10.8. The conversations are made so that they do not run into them; the
scripts of this folder leave them out. What is chance on RabbitMQ in rarer ways is met by trying a
conversation again: leveret is right when RabbitMQ does as it does at least now and then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from judge.steps import Step

__all__ = ["NOT_COMPARED", "is_compared_over_the_wire"]

#: What is left out -> what RabbitMQ does there, and what leveret does instead.
NOT_COMPARED = {
    "priorities together with expirations (S99)": (
        "RabbitMQ sets a queue's expiry timer only when a message comes to be the only one, and its"
        " sub-queues hide one another's heads: an expired message may be counted, and delivered,"
        " for as long as nothing else happens. leveret looks at the head at each deadline."
    ),
    "per-message expiration in a lazy queue, dead-lettered (S103)": (
        "RabbitMQ forgets the expiration of a message that it reads back from disk: its x-death has"
        " no original-expiration. leveret records it in every mode."
    ),
    "the consumers counted of a quorum queue": (
        "RabbitMQ counts a channel that got a message and has not acknowledged it as a consumer."
    ),
    "a transaction that both publishes and acknowledges (S65)": (
        "On RabbitMQ an acknowledgement overtakes messages on their way to a busy queue, or does"
        " not: a consumer that it makes room for gets them, or a limit of 0 has dropped them."
        " leveret publishes first. A script compares what does not depend on it."
    ),
    "a global prefetch count where consumers compete (S75)": (
        "RabbitMQ tells a queue after a while that a channel has room again: who gets what is"
        " requeued meanwhile is chance. leveret knows at once."
    ),
    "expirations in a quorum queue, in random conversations": (
        "RabbitMQ counts an expired message until something else happens in the queue."
    ),
    "x-max-priority above 10": (
        "RabbitMQ makes a queue for each priority and takes seconds for 255 of them."
    ),
    "a refused x-queue-master-locator": (
        "RabbitMQ's channel crashes: the connection is closed with 541 and no reason."
    ),
    "CR and LF in the names of declared queues (S21)": (
        "pika waits for ever for the answer, which has another name than it asked for."
    ),
    "a delivery mode other than 1 and 2, over the wire (S66)": (
        "RabbitMQ 3.10 refuses it, RabbitMQ 4 takes it as transient. leveret does so over the wire"
        " in every profile: to look at it would cost each publish. In process it refuses it too."
    ),
    "a consumer tag used twice (S69)": (
        "pika refuses it without asking; test_frames_compared.py sends it as a frame."
    ),
}


def is_compared_over_the_wire(step: Step) -> bool:
    """Say whether leveret's wire does as its engine does."""
    return step.arguments.get("properties", {}).get("delivery_mode", 1) in (1, 2)
