"""Where RabbitMQ's versions differ about queues: frozen answers, read where they matter."""

from __future__ import annotations

from attrs import evolve, frozen

__all__ = ["RULES", "QueueRules"]


@frozen
class QueueRules:
    """The behaviour of queues in one RabbitMQ version."""

    #: When the single active consumer of a classic queue is cancelled, its successor gets messages
    #: at once; older versions wait for the next publish, requeue or acknowledgement (S84).
    runs_on_cancel: bool = True
    #: The delivery limit of a quorum queue that sets none (S87).
    delivery_limit: int | None = 20
    #: A quorum queue without delivery limit puts what a client requeues at its back.
    quorum_requeues_to_back: bool = False
    #: basic.get on a quorum queue shows `x-delivery-count` also when it is 0 (S87).
    quorum_get_shows_zero: bool = False
    #: basic.nack with requeue counts towards a quorum queue's delivery limit (S87).
    nack_counts_delivery: bool = True
    #: Streams refuse basic.nack and basic.reject, which later versions take as acknowledgements.
    streams_refuse_rejects: bool = False
    #: Arguments that the types know beside those of 3.10, and that only this version knows.
    more_classic_arguments: frozenset[str] = frozenset()
    more_quorum_arguments: frozenset[str] = frozenset()


_MORE_CLASSIC = frozenset({"x-consumer-timeout", "x-queue-leader-locator"})
_MORE_QUORUM = frozenset({"x-consumer-timeout"})

_V42 = QueueRules(more_classic_arguments=_MORE_CLASSIC, more_quorum_arguments=_MORE_QUORUM)

#: Version -> its rules.
RULES: dict[str, QueueRules] = {
    "3.10": QueueRules(
        runs_on_cancel=False,
        delivery_limit=None,
        quorum_requeues_to_back=True,
        quorum_get_shows_zero=True,
        streams_refuse_rejects=True,
    ),
    "3.13": evolve(_V42, runs_on_cancel=False, delivery_limit=None, streams_refuse_rejects=True),
    "4.2": _V42,
    "4.3": evolve(
        _V42,
        nack_counts_delivery=False,
        more_quorum_arguments=_MORE_QUORUM
        | {
            "x-max-priority",
            "x-delayed-retry-type",
            "x-delayed-retry-min",
            "x-delayed-retry-max",
        },
    ),
}
