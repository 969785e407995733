"""A channel's transactions: tx.select, commit and rollback."""

from __future__ import annotations

from leveret.engine import methods
from leveret.engine.channel_base import amqp_method
from leveret.engine.publishing import PublishMethods
from leveret.engine.transactions import Transaction
from leveret.engine.visibility import VisibilityMethods
from leveret.errors import PreconditionFailed
from leveret.queues.queue import MESSAGE_OVERHEAD

__all__ = ["TransactionMethods"]


class TransactionMethods(PublishMethods, VisibilityMethods):
    """Publishing and settling put off until commit, all together."""

    __slots__ = ()

    @amqp_method(methods.TX_SELECT)
    def tx_select(self) -> None:
        """Make the channel transactional; again changes nothing.

        Raises:
            PreconditionFailed: the channel is in confirm mode (S64).

        """
        if self._publish_seq:
            raise PreconditionFailed("cannot switch from confirm to tx mode")
        if self._tx is None:
            self._tx = Transaction()
            self._answers = True

    def _transaction(self) -> Transaction:
        if self._tx is None:
            raise PreconditionFailed("channel is not transactional")
        return self._tx

    @property
    def put_off_bytes(self) -> int:
        """What the messages that wait for tx.commit are worth, in bytes of memory."""
        tx = self._tx
        return 0 if tx is None else tx.size + len(tx.publishes) * MESSAGE_OVERHEAD

    @amqp_method(methods.TX_COMMIT)
    def tx_commit(self) -> None:
        """Do what was published and settled since the last commit or rollback (S65).

        Raises:
            PreconditionFailed: the channel is not transactional (S64), or a queue refused a
                message; all the rest is done even so.

        """
        tx = self._transaction()
        whole = True
        for message, targets, mandatory in tx.publishes:
            there = tuple(queue for queue in targets if not queue.deleted)
            whole = self.deliver_to(message, there, mandatory) and whole
        for how, entries in tx.settlements:
            self.settle_entries(how, entries)
        tx.clear()
        if not whole:
            raise PreconditionFailed("partial tx completion")

    @amqp_method(methods.TX_ROLLBACK)
    def tx_rollback(self) -> None:
        """Forget what was published; what was settled is unacknowledged again (S65).

        Raises:
            PreconditionFailed: the channel is not transactional (S64).

        """
        tx = self._transaction()
        self.part_runs()
        self._unacked = tx.restore(self._unacked)
        self._oldest_tag = next(iter(self._unacked), self._next_tag)
        tx.clear()
        self.lease_restored()
