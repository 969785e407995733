"""Queues of a virtual host: declared, found equivalent or refused, deleted."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, cast

from leveret.errors import (
    InternalError,
    NotImplementedByBroker,
    PreconditionFailed,
)
from leveret.queues import (
    DeduplicatingQueue,
    Queue,
)
from leveret.queues.arguments import (
    QUEUE_TYPES,
    assert_equal,
    assert_same_arguments,
    check_arguments,
    known_arguments,
    queue_type,
)

if TYPE_CHECKING:
    from leveret.properties import FieldTable
    from leveret.queues.stream import StreamQueue

from leveret.engine.virtual_host_exchanges import ExchangeDeclarations

__all__ = ["QueueDeclarations", "check_server_named"]

_TRANSIENT_QUEUES_DENIED = (
    "Feature `transient_nonexcl_queues` is deprecated.\n"
    "By default, this feature is not permitted anymore.\n"
    "The feature will be removed from a future major RabbitMQ version, regardless of the"
    " configuration; actual version to be determined.\n"
    "To continue using this feature when it is not permitted by default, set the following"
    " parameter in your configuration:\n"
    '    "deprecated_features.permit.transient_nonexcl_queues = true"'
)


class QueueDeclarations(ExchangeDeclarations):
    """The part of a virtual host that declares queues."""

    __slots__ = ()

    def declare_queue(
        self,
        name: str,
        *,
        durable: bool,
        owner: object | None,
        auto_delete: bool,
        arguments: FieldTable,
    ) -> Queue:
        """Return the queue of that name, made now or there before and equivalent (S1–S4, S9).

        Raises:
            ResourceLocked: it is another connection's.
            PreconditionFailed: an argument is refused (S15–S19), or it is not equivalent.
            InternalError: the profile has no transient queues (S20).

        """
        durable = durable and owner is None
        queue = self.queues.get(name)
        resource = self.describe("queue", name)
        if queue is None:
            return self._create_queue(name, durable, owner, auto_delete, arguments)
        self.check_exclusive(queue, owner, strict=True)
        assert_equal("durable", queue.durable, durable, resource)
        assert_equal("auto_delete", queue.auto_delete, auto_delete, resource)
        names = known_arguments(queue.settings.type, queue.rules)
        assert_same_arguments(names, queue.arguments, arguments, resource)
        queue.touch()
        return queue

    def _create_queue(
        self,
        name: str,
        durable: bool,
        owner: object | None,
        auto_delete: bool,
        arguments: FieldTable,
    ) -> Queue:
        resource = self.describe("queue", name)
        check_arguments(arguments, resource, self.broker.profile.queues)
        kind = queue_type(arguments)
        if kind != "classic":
            _check_replicated_properties(resource, durable, owner, auto_delete)
        if not (durable or owner is not None or self.broker.profile.transient_queues):
            raise InternalError(_TRANSIENT_QUEUES_DENIED)
        make = DeduplicatingQueue if arguments.get("x-message-deduplication") is True else Queue
        if kind == "stream":  # imported when first made: most programs have none
            from leveret.queues.stream import StreamQueue as make
        queue = make(
            name,
            self,
            self._settings(name, arguments),
            durable,
            owner,
            auto_delete,
            dict(arguments),
            self.broker.profile.queues,
        )
        if kind == "stream":
            groups = cast("StreamQueue", queue).groups
            groups.noted = partial(self._note_stream_offset, name)
        self.queues[name] = queue
        if isinstance(queue, DeduplicatingQueue):
            self.duplicates.keep("queue", name, queue.identifiers, durable)
        self.changed()
        if durable:
            self._keep(queue)
        self.emit("queue.created", name=name)
        return queue

    def delete_queue(self, queue: Queue, *, if_unused: bool, if_empty: bool) -> int:
        """Delete a queue; return how many messages were ready.

        Raises:
            PreconditionFailed: a flag forbids it (S29).
            NotImplementedByBroker: a flag on a quorum queue (S30).

        """
        resource = self.describe("queue", queue.name)
        if queue.settings.type == "quorum" and (if_unused or if_empty):
            flag = "if-unused" if if_unused else "if-empty"
            raise NotImplementedByBroker(
                f"cannot delete {resource}. queue.delete operations with {flag} flag set are not"
                " supported by quorum queues"
            )
        if queue.settings.type == "stream":  # seen live: the flags do not count there
            if_unused = if_empty = False
        if if_unused and queue.consumers.registered:
            raise PreconditionFailed(f"{resource} in use")
        if if_empty and queue.ready_count:
            raise PreconditionFailed(f"{resource} not empty")
        return self.remove_queue(queue, "deleted")

    def remove_queue(self, queue: Queue, reason: str) -> int:
        """Remove a queue and its bindings for good; return how many messages were ready."""
        if self.queues.get(queue.name) is not queue:
            return 0
        del self.queues[queue.name]
        if queue.journal is not None:
            self.note("queue", (queue.name,), None)
        if isinstance(queue, DeduplicatingQueue) and queue.identifiers is not None:
            queue.identifiers.drop()
        self.dead_letters.forget(queue)
        unused = self._drop_bindings_to("queue", queue.name)
        if unused:
            self._remove_exchanges(unused)
        self.changed()
        count = queue.delete()
        self.emit("queue.deleted", name=queue.name, reason=reason)
        return count


def _check_replicated_properties(
    resource: str, durable: bool, owner: object | None, auto_delete: bool
) -> None:
    """Refuse what a quorum queue or a stream cannot be (S19)."""
    refused = (
        ("auto-delete", auto_delete),
        ("exclusive-owner", owner is not None),
        ("non-durable", not durable),
    )
    for what, wrong in refused:
        if wrong:
            raise PreconditionFailed(f"invalid property '{what}' for {resource}")


def check_server_named(arguments: FieldTable) -> None:
    """Refuse a queue type that cannot have a server-made name (S13).

    Raises:
        PreconditionFailed: it is such a type.

    """
    kind = queue_type(arguments)
    if kind != "classic":
        raise PreconditionFailed(
            f"Cannot declare a server-named queue for type {QUEUE_TYPES[kind]}"
        )
