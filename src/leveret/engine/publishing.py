"""The publishing side of a channel: basic.publish and confirms."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any

from attrs import evolve

from leveret.engine import methods
from leveret.engine.channel_base import ChannelBase, amqp_method
from leveret.engine.delays import queues_of
from leveret.engine.replies import PSEUDO_QUEUE
from leveret.errors import AccessRefused, AMQPError, NotImplementedByBroker, PreconditionFailed
from leveret.exchanges import routing_keys
from leveret.properties import NO_PROPERTIES, Properties
from leveret.queues import AnyMessage, Message
from leveret.queues.arguments import expiry_error

if TYPE_CHECKING:
    from collections.abc import Callable

    from leveret.engine.delays import Target
    from leveret.queues import AnyMessage

__all__ = ["PublishMethods", "parse_expiration"]

_LEADING_INTEGER = re.compile(r"[+-]?[0-9]+")


@functools.lru_cache(maxsize=1024)
def parse_expiration(text: str) -> int:
    """Return the milliseconds of an `expiration` property (S66).

    Raises:
        PreconditionFailed: it is not a decimal string of a time that RabbitMQ takes.

    """
    number = _LEADING_INTEGER.match(text)
    if number is None:
        error: str | None = "no_integer"
    elif rest := text[number.end() :]:
        error = f'{{leftover_string,"{rest}"}}'
    else:
        error = expiry_error(int(text))
    if error:
        raise PreconditionFailed(f"invalid expiration '{text}': {error}")
    return int(text)


class PublishMethods(ChannelBase):
    """Publishing, with or without the broker's word that it took the message."""

    __slots__ = ()

    def basic_publish(
        self,
        exchange: str,
        routing_key: str,
        body: bytes | str = b"",
        properties: Properties | None = None,
        mandatory: bool = False,
        immediate: bool = False,
    ) -> None:
        """Publish a message; a str body is sent as UTF-8.

        An unroutable message is dropped, or with `mandatory` returned (S57).

        Raises:
            NotFound: there is no such exchange (S26).
            AccessRefused: the exchange is internal (S27), or no permission.
            PreconditionFailed: a property is refused (S56, S66, S67, S117), the body is too
                large (S68), or a validator refuses the message.
            NotImplementedByBroker: `immediate` (S60).

        """
        if isinstance(body, str):
            body = body.encode()
        self.publish(
            Message(
                exchange,
                routing_key,
                properties or NO_PROPERTIES,
                body,
                None,
                (),
                False,
                len(body),
                properties is None,
            ),
            mandatory,
            immediate,
        )

    def publish(
        self, message: AnyMessage, mandatory: bool = False, immediate: bool = False
    ) -> None:
        """Publish a message that is made already; `basic_publish` says what may be refused."""
        # Measured in process: each test here costs 1 to 2 % of a publish, so that what is rare
        # (checked properties, transactions, confirms) is behind one test each.
        if self.closed:
            self.check_open()
        host = self._host
        broker = host.broker
        exchange = message.exchange
        try:
            if immediate:
                raise NotImplementedByBroker("immediate=true")
            if message.size > self._max_body_bytes:
                raise PreconditionFailed(
                    f"message size {message.size} is larger than max size {self._max_body_bytes}"
                )
            answers = self._answers
            if exchange not in self._access.publishable:
                self._admit(exchange, message.routing_key)
                answers = (
                    answers
                    or exchange in host.duplicates.exchanges
                    or host.validators.watches(exchange)
                )
            if message.is_plain:
                remembered = host.router.remembered(exchange, message.routing_key)
                if remembered is None:
                    remembered = host.router.route(
                        exchange, message.routing_key, message.properties
                    )
                targets = remembered
            else:
                properties = message.properties
                message = self._checked(message, properties)
                targets = host.router.route(exchange, message.routing_key, properties)
                if message.extra_keys and not exchange:
                    broker.replies.deliver(message)
            if answers or not targets or mandatory:
                self._publish_answered(message, targets, mandatory)
            else:
                for target in targets:
                    target.publish(message)
            host.published[exchange] += 1
        except AMQPError as error:
            raise self.fail(error, methods.BASIC_PUBLISH) from None
        if broker.work or broker.outbox:
            broker.settle()

    def hold(self, message: AnyMessage, due_ms: int) -> int:
        """Publish a message when the clock reaches `due_ms`; return what `delays.cancel` takes.

        It is looked at now as `publish` does; where it goes is found out then. leveret's own.

        Raises:
            AMQPError: the broker refuses it; see `basic_publish`.

        """
        self.check_open()
        try:
            if message.size > self._max_body_bytes:
                raise PreconditionFailed(
                    f"message size {message.size} is larger than max size {self._max_body_bytes}"
                )
            if message.exchange not in self._access.publishable:
                self._admit(message.exchange, message.routing_key)
            return self._host.delays.hold(self._checked(message, message.properties), due_ms)
        except AMQPError as error:
            raise self.fail(error, methods.BASIC_PUBLISH) from None

    def _publish_answered(
        self, message: AnyMessage, targets: tuple[Target, ...], mandatory: bool
    ) -> None:
        if self._host.validators.active:
            self._host.validators.check(message, queues_of(targets))
        if not (message.exchange or targets or message.extra_keys):
            self._host.broker.replies.deliver(message)
        if self._tx is not None:
            self._tx.publish(message, targets, mandatory)
        else:
            self.deliver_to(message, targets, mandatory)

    def deliver_to(self, message: AnyMessage, targets: tuple[Target, ...], mandatory: bool) -> bool:
        """Hand a message to its queues, and answer the publisher; say whether all took it."""
        host = self._host
        journal = host.broker.journal
        appended = journal.appended if journal is not None else 0
        taken = True
        if targets and message.exchange in host.duplicates.exchanges:
            taken = host.duplicates.deliver(message, targets)
        else:
            for target in targets:
                if not target.publish(message):
                    taken = False
        if not targets:
            self._unroutable(message, mandatory)
        elif mandatory and not queues_of(targets):
            # Nobody knows yet whether it will reach a queue; RabbitMQ's plugin returns it too.
            self.listener.returned(312, "NO_ROUTE", message)
        if self._publish_seq:
            if journal is not None and journal.appended != appended:
                self.hold_confirms(journal.group, 1, taken=taken)
            else:
                (self._confirmed if taken else self._refused).append(self._publish_seq)
            self._publish_seq += 1
            if not self.coalesce_confirms:
                self.flush_confirms()
        return taken

    def hold_confirms(self, group: int, count: int, *, taken: bool) -> None:
        """Have the next confirms wait until a group is durable."""
        if not self._held_confirms:
            self._host.broker.await_durable(self)
        self._held_confirms.append((group, self._publish_seq, count, taken))

    def release(self, group: int) -> bool:
        """Confirm what is durable now that a group is; say whether some of it is not yet."""
        held = self._held_confirms
        while held and held[0][0] <= group:
            _, first, count, taken = held.popleft()
            (self._confirmed if taken else self._refused).extend(range(first, first + count))
        if not self.closed:
            self.flush_confirms()
        return bool(held)

    def _admit(self, exchange: str, routing_key: str) -> None:
        """Check what a publish to an exchange needs; remember it where no message matters."""
        self.allow("write", exchange, "exchange")
        found = self._host.exchange(exchange)
        if found.internal:
            raise AccessRefused(
                f"cannot publish to internal {self._host.describe('exchange', exchange)}"
            )
        access = self._access
        if found.type == "topic" and exchange in access.topic:
            self.allow_topic("write", exchange, routing_key)
        elif found.identifiers is None and not self._host.validators.watches(exchange):
            access.publishable.add(exchange)

    def _checked(self, message: AnyMessage, properties: Properties) -> AnyMessage:
        """Check a message's properties in RabbitMQ's order; return it as it goes on."""
        # field -> new value
        changes: dict[str, Any] = {}
        if properties.reply_to == PSEUDO_QUEUE:
            if self._reply_consumer is None:
                raise PreconditionFailed("fast reply consumer does not exist")
            properties = evolve(properties, reply_to=self._reply_consumer.address)
            changes["properties"] = properties
        if properties.user_id is not None:
            self._check_user_id(properties.user_id)
        if properties.expiration is not None:
            changes["expiration_ms"] = parse_expiration(properties.expiration)
        headers = properties.headers
        if headers and ("CC" in headers or "BCC" in headers):
            changes["extra_keys"] = routing_keys(message.routing_key, properties)[1:]
            kept = {name: value for name, value in headers.items() if name != "BCC"}
            changes["properties"] = evolve(properties, headers=kept)
        if properties.delivery_mode not in (None, 1, 2):
            self._check_delivery_mode(properties.delivery_mode)
        return message.with_changes(changes) if changes else message

    def _check_user_id(self, claimed: str) -> None:
        """Refuse a message in somebody else's name (S67)."""
        user = self._access.user
        if claimed != user.name and "impersonator" not in user.tags:
            raise PreconditionFailed(
                f"user_id property set to '{claimed}' but authenticated user was '{user.name}'"
            )

    def _check_delivery_mode(self, mode: int | None) -> None:
        if self._host.broker.profile.checks_delivery_mode:
            raise PreconditionFailed(f"invalid message: {{delivery_mode_unknown,{mode}}}")

    def _unroutable(self, message: AnyMessage, mandatory: bool) -> None:
        """Drop or return a message that reached no queue; a direct reply needs none (S119)."""
        host = self._host
        if not message.exchange and host.broker.replies.is_address(message.routing_key):
            if not host.broker.profile.returns_direct_replies:
                return
        else:
            host.unroutable.add(message.exchange, message.routing_key, host.now_ms())
        if mandatory:
            self.listener.returned(312, "NO_ROUTE", message)
        if host.broker.events.active:
            name = "message.returned" if mandatory else "message.unroutable"
            host.emit(name, message=message)

    # -- confirms

    @amqp_method(methods.CONFIRM_SELECT)
    def confirm_delivery(
        self, ack_nack_callback: Callable[[int, bool, bool], object] | None = None
    ) -> None:
        """Have the broker confirm every message published from now on (S61).

        The callback gets the sequence number (from 1), `multiple`, and whether it was taken.

        Raises:
            PreconditionFailed: the channel is transactional (S64).

        """
        if self._tx is not None:
            raise PreconditionFailed("cannot switch from tx to confirm mode")
        if ack_nack_callback is not None:
            self.callbacks().on_confirm.append(ack_nack_callback)
        self._publish_seq = self._publish_seq or 1
        self._answers = True

    @property
    def next_publish_sequence(self) -> int:
        """The sequence number that the next message will be confirmed by; 0 without confirms."""
        return self._publish_seq

    def flush_confirms(self) -> None:
        """Tell the publisher what was taken and what was not, in as few methods as can be.

        Acks go first, then nacks; `multiple` covers what lies below the first of the other kind
        (`rabbit_channel:coalesce_and_send`).
        """
        confirmed, refused = self._confirmed, self._refused
        held = [self._held_confirms[0][1]] if self._held_confirms else []
        if confirmed:
            self._confirmed = []
            _coalesce(confirmed, refused + held, self.listener.confirmed)
        if refused:
            self._refused = []
            # RabbitMQ sends a single ack as one, but for a single nack it has no such clause.
            as_one = not self.coalesce_confirms
            _coalesce(refused, confirmed + held, self.listener.refused, single=as_one)


def _coalesce(
    tags: list[int],
    others: list[int],
    send: Callable[[int, bool], None],
    *,
    single: bool = True,
) -> None:
    if single and len(tags) == 1:
        send(tags[0], False)
        return
    cutoff = min(others, default=tags[-1] + 1)
    covered = [tag for tag in tags if tag < cutoff]
    if covered:
        send(covered[-1], True)
    for tag in tags[len(covered) :]:
        send(tag, False)
