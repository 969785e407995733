"""Where RabbitMQ's versions differ about queues: frozen answers, read where they matter."""

from __future__ import annotations

from attrs import frozen

__all__ = ["QueueRules"]


@frozen
class QueueRules:
    """The behaviour of queues in one RabbitMQ version."""

    #: When the single active consumer is cancelled, its successor gets messages at once; older
    #: versions wait for the next publish, requeue or acknowledgement (S84).
    runs_on_cancel: bool = True
    #: A quorum queue without delivery limit puts what a client requeues at its back.
    quorum_requeues_to_back: bool = False
    #: basic.get on a quorum queue shows `x-delivery-count` also when it is 0 (S87).
    quorum_get_shows_zero: bool = False
    #: basic.nack with requeue counts towards a quorum queue's delivery limit (S87).
    nack_counts_delivery: bool = True
    #: Arguments that the types know beside those of 3.10, and that only this version knows.
    more_classic_arguments: frozenset[str] = frozenset()
    more_quorum_arguments: frozenset[str] = frozenset()
