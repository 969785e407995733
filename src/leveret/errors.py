"""Everything that leveret raises, with AMQP's reply codes.

```
LeveretError
├── AMQPError                      what RabbitMQ answers with channel.close or connection.close
│   ├── ChannelClosedByBroker      soft: closes the channel
│   │   ├── ContentTooLarge 311 · NoRoute 312 · NoConsumers 313
│   │   └── AccessRefused 403 · NotFound 404 · ResourceLocked 405 · PreconditionFailed 406
│   └── ConnectionClosedByBroker   hard: closes the connection
│       ├── ConnectionForced 320 · InvalidPath 402 · FrameError 501 · FrameSyntaxError 502
│       ├── CommandInvalid 503 · ChannelError 504 · UnexpectedFrame 505 · ResourceError 506
│       └── NotAllowed 530 · NotImplementedByBroker 540 · InternalError 541
├── ChannelWrongStateError         the channel is closed already
├── ConnectionWrongStateError      the connection is closed already
├── TopologyError                  faults in a topology file, each with its place
└── UnknownNameError, AmbiguousNameError   of leveret.config: what a topology is asked about
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Self

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "REPLY_CODES",
    "AMQPError",
    "AccessRefused",
    "ChannelClosedByBroker",
    "ChannelError",
    "ChannelWrongStateError",
    "CommandInvalid",
    "ConnectionClosedByBroker",
    "ConnectionForced",
    "ConnectionWrongStateError",
    "ContentTooLarge",
    "Fault",
    "FrameError",
    "FrameSyntaxError",
    "InternalError",
    "InvalidPath",
    "LeveretError",
    "NoConsumers",
    "NoRoute",
    "NotAllowed",
    "NotFound",
    "NotImplementedByBroker",
    "Position",
    "PreconditionFailed",
    "ResourceError",
    "ResourceLocked",
    "TopologyError",
    "UnexpectedFrame",
]


class LeveretError(Exception):
    """The root of every error that leveret raises on purpose."""


class AMQPError(LeveretError):
    """A refusal as RabbitMQ words it, for the method that caused it.

    `class_id` and `method_id` are those of the failing AMQP method (0 where there is none);
    `method_name` is its name, such as `queue.declare`.
    """

    reply_code: ClassVar[int]
    reply_name: ClassVar[str]

    def __init__(
        self, text: str, *, class_id: int = 0, method_id: int = 0, method: str = ""
    ) -> None:
        super().__init__(text)
        self.text = text
        self.class_id = class_id
        self.method_id = method_id
        self.method_name = method

    @property
    def reply_text(self) -> str:
        """The reply text as it goes over the wire: `NOT_FOUND - no queue 'q' in vhost '/'`."""
        return f"{self.reply_name} - {self.text}"

    def at(self, class_id: int, method_id: int, method: str) -> Self:
        """Name the AMQP method that failed, unless it is named already; return the error."""
        if not self.class_id:
            self.class_id, self.method_id, self.method_name = class_id, method_id, method
        return self

    def __str__(self) -> str:
        place = f" ({self.method_name})" if self.method_name else ""
        return f"{self.reply_code} {self.reply_text}{place}"


class ChannelClosedByBroker(AMQPError):
    """A soft error (AMQP 0-9-1 section 1.2): the channel is closed, the connection lives."""


class ContentTooLarge(ChannelClosedByBroker):
    """311."""

    reply_code, reply_name = 311, "CONTENT_TOO_LARGE"


class NoRoute(ChannelClosedByBroker):
    """312, seen only in basic.return."""

    reply_code, reply_name = 312, "NO_ROUTE"


class NoConsumers(ChannelClosedByBroker):
    """313, seen only in basic.return."""

    reply_code, reply_name = 313, "NO_CONSUMERS"


class AccessRefused(ChannelClosedByBroker):
    """403: permissions, or an object that is the broker's own."""

    reply_code, reply_name = 403, "ACCESS_REFUSED"


class NotFound(ChannelClosedByBroker):
    """404: no such exchange or queue."""

    reply_code, reply_name = 404, "NOT_FOUND"


class ResourceLocked(ChannelClosedByBroker):
    """405: another connection owns the queue."""

    reply_code, reply_name = 405, "RESOURCE_LOCKED"


class PreconditionFailed(ChannelClosedByBroker):
    """406: arguments that do not fit what exists or what is allowed."""

    reply_code, reply_name = 406, "PRECONDITION_FAILED"


class ConnectionClosedByBroker(AMQPError):
    """A hard error (AMQP 0-9-1 section 1.2): the connection is closed with all its channels."""


class ConnectionForced(ConnectionClosedByBroker):
    """320: an operator closed the connection."""

    reply_code, reply_name = 320, "CONNECTION_FORCED"


class InvalidPath(ConnectionClosedByBroker):
    """402."""

    reply_code, reply_name = 402, "INVALID_PATH"


class FrameError(ConnectionClosedByBroker):
    """501: a frame that cannot be decoded."""

    reply_code, reply_name = 501, "FRAME_ERROR"


class FrameSyntaxError(ConnectionClosedByBroker):
    """502: a frame with an illegal field value."""

    reply_code, reply_name = 502, "SYNTAX_ERROR"


class CommandInvalid(ConnectionClosedByBroker):
    """503."""

    reply_code, reply_name = 503, "COMMAND_INVALID"


class ChannelError(ConnectionClosedByBroker):
    """504: a channel that is not open, or is open twice."""

    reply_code, reply_name = 504, "CHANNEL_ERROR"


class UnexpectedFrame(ConnectionClosedByBroker):
    """505."""

    reply_code, reply_name = 505, "UNEXPECTED_FRAME"


class ResourceError(ConnectionClosedByBroker):
    """506."""

    reply_code, reply_name = 506, "RESOURCE_ERROR"


class NotAllowed(ConnectionClosedByBroker):
    """530."""

    reply_code, reply_name = 530, "NOT_ALLOWED"


class NotImplementedByBroker(ConnectionClosedByBroker):
    """540: a method or flag of AMQP that RabbitMQ does not implement."""

    reply_code, reply_name = 540, "NOT_IMPLEMENTED"


class InternalError(ConnectionClosedByBroker):
    """541."""

    reply_code, reply_name = 541, "INTERNAL_ERROR"


def _leaves(cls: type[AMQPError]) -> list[type[AMQPError]]:
    subclasses = cls.__subclasses__()
    return [leaf for sub in subclasses for leaf in _leaves(sub)] if subclasses else [cls]


#: Reply code -> the class that carries it.
REPLY_CODES: dict[int, type[AMQPError]] = {cls.reply_code: cls for cls in _leaves(AMQPError)}


class ChannelWrongStateError(LeveretError):
    """The channel is closed: open a new one. The message says what closed it."""


class ConnectionWrongStateError(LeveretError):
    """The connection is closed: open a new one. The message says what closed it."""


@frozen(order=True)
class Position:
    """A place in a file; lines and columns count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"

    @property
    def order(self) -> tuple[str, int, int]:
        """What sorts places, quicker than they compare themselves."""
        return self.file, self.line, self.column


@frozen
class Fault:
    """One fault of a topology file: where it is, what is wrong, and what to do about it."""

    position: Position
    message: str
    remedy: str = ""
    source_line: str = ""

    def __str__(self) -> str:
        """Render as `file:line:column: error: message`, source line with caret, remedy."""
        text = f"{self.position}: error: {self.message}"
        if self.source_line:
            pad = "".join(
                "\t" if c == "\t" else " " for c in self.source_line[: self.position.column - 1]
            )
            text += f"\n  {self.source_line}\n  {pad}^"
        if self.remedy:
            text += f"\n  {self.remedy}"
        return text


class TopologyError(LeveretError):
    """A topology file that cannot be used; `faults` has every fault found, in file order."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults: tuple[Fault, ...] = tuple(
            sorted(faults, key=lambda fault: fault.position.order)
        )
        super().__init__("\n".join(map(str, self.faults)))
