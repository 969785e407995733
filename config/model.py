"""What a topology file says, in RabbitMQ's own terms: sugar expanded, defaults applied."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args, overload

from attrs import field, frozen

from leveret.config.findings import Finding
from leveret.config.limits import Operator
from leveret.config.source import Source
from leveret.errors import Position
from leveret.properties import FieldValue

if TYPE_CHECKING:
    from collections.abc import Iterable

    from leveret.config.diff import Difference
    from leveret.config.draw import Format
    from leveret.config.explain_values import (
        ExchangeExplanation,
        PairExplanation,
        QueueExplanation,
    )
    from leveret.exchanges import RouteTrace

__all__ = [
    "ALERT_METRICS",
    "COMPATIBILITIES",
    "DEFAULT_COMPATIBILITY",
    "VERSION",
    "VERSION_HEADER",
    "Alert",
    "BindingDeclaration",
    "DefinitionsRest",
    "DestinationType",
    "ExchangeDeclaration",
    "Expectation",
    "MessageSchema",
    "MessageSchemas",
    "Metric",
    "Permission",
    "Policy",
    "QueueDeclaration",
    "Request",
    "RetryPolicy",
    "Subscription",
    "TopicPermission",
    "Topology",
    "UnknownSchema",
    "User",
    "VirtualHost",
]

DestinationType = Literal["queue", "exchange"]

#: What an alert can watch of a queue.
Metric = Literal[
    "ready", "unacked", "messages", "consumers", "oldest", "lag", "redeliveries", "dead_letters"
]
ALERT_METRICS: tuple[Metric, ...] = get_args(Metric)

#: The versions of RabbitMQ that can be emulated; semantics.md tables how they differ.
COMPATIBILITIES = ("3.10", "3.13", "4.2", "4.3")
DEFAULT_COMPATIBILITY = "4.2"

#: The version of the format.
VERSION = 1


#: What becomes of a message that no schema is for.
UnknownSchema = Literal["accept", "count", "refuse"]

#: The header that says which version of its schema a message has.
VERSION_HEADER = "x-schema-version"


@frozen
class MessageSchema:
    """A JSON Schema of the messages of one content type and version; None is any."""

    name: str
    document: Any
    content_type: str | None = None
    version: str | None = None
    #: Whether what violates it is refused; else it is counted.
    enforce: bool = True
    #: The file that it was read from, from where the topology's own file is; None if it is inline.
    path: str | None = None
    position: Position | None = field(default=None, eq=False)


@frozen
class MessageSchemas:
    """The schemas of an exchange or queue: the first that fits a message is the one."""

    of: tuple[MessageSchema, ...]
    version_header: str = VERSION_HEADER
    unknown: UnknownSchema = "accept"


@frozen
class ExchangeDeclaration:
    """What exchange.declare is told."""

    name: str
    type: str
    durable: bool = True
    auto_delete: bool = False
    internal: bool = False
    arguments: dict[str, FieldValue] = field(factory=dict)  # argument name -> value
    position: Position | None = field(default=None, eq=False)
    #: Codes of the warnings that are not given for it.
    ignored: frozenset[str] = field(default=frozenset(), eq=False)
    #: The short form that made it, such as `dead_letter: true`; "" if it is declared itself.
    origin: str = field(default="", eq=False)
    #: What is published to it is held against these.
    schemas: MessageSchemas | None = None

    @property
    def routes_as(self) -> str:
        """The type whose rules decide about bindings: that behind a delayed exchange."""
        named = self.arguments.get("x-delayed-type")
        is_delayed = self.type == "x-delayed-message" and isinstance(named, str)
        return str(named) if is_delayed else self.type


@frozen
class QueueDeclaration:
    """What queue.declare is told."""

    name: str
    durable: bool = True
    exclusive: bool = False
    auto_delete: bool = False
    arguments: dict[str, FieldValue] = field(factory=dict)  # argument name -> value
    position: Position | None = field(default=None, eq=False)
    ignored: frozenset[str] = field(default=frozenset(), eq=False)
    origin: str = field(default="", eq=False)
    #: What is published and would reach it is held against these.
    schemas: MessageSchemas | None = None


@frozen
class BindingDeclaration:
    """What queue.bind or exchange.bind is told: one routing key."""

    source: str
    destination: str
    destination_type: DestinationType = "queue"
    routing_key: str = ""
    arguments: dict[str, FieldValue] = field(factory=dict)  # argument name -> value
    position: Position | None = field(default=None, eq=False)
    ignored: frozenset[str] = field(default=frozenset(), eq=False)
    origin: str = field(default="", eq=False)


@frozen
class Policy:
    """A policy or operator policy; `definition` has RabbitMQ's own keys, such as `max-length`."""

    name: str
    pattern: str
    apply_to: str = "all"
    priority: int = 0
    definition: dict[str, FieldValue] = field(factory=dict)  # policy key -> value
    position: Position | None = field(default=None, eq=False)
    ignored: frozenset[str] = field(default=frozenset(), eq=False)


@frozen
class Request:
    """A name that a client can call: where the request is published, and how long it waits."""

    name: str
    exchange: str
    routing_key: str
    timeout_ms: int | None = None
    position: Position | None = field(default=None, eq=False)


@frozen
class RetryPolicy:
    """How often a message is tried, and how long each next attempt waits.

    The wait before the second attempt is `first_ms`, each later one is `factor` times the one
    before, and none is over `max_ms`. `jitter` is the share of a wait that chance may add or take.
    """

    attempts: int = 5  # in all, the first one too
    first_ms: int = 1_000
    factor: float = 2.0
    max_ms: int = 60_000
    jitter: float = 0.0  # from 0 to 1


@frozen
class Subscription:
    """A name under which a program handles a queue's messages, and how it does that."""

    name: str
    queue: str
    concurrency: int = 4  # handlers at work at one time
    prefetch: int = 8  # messages that the worker holds at one time
    visibility_timeout_ms: int | None = None
    retry: RetryPolicy | None = None
    #: The queue for messages whose last attempt failed; None leaves it to the queue's own.
    dead_letter: str | None = None
    position: Position | None = field(default=None, eq=False)
    ignored: frozenset[str] = field(default=frozenset(), eq=False)


@frozen
class Alert:
    """A figure of a queue that is watched: an alarm if it compares so for `for_ms`."""

    name: str
    queue: str
    metric: Metric
    operator: Operator
    #: A count; of the metric `oldest`, milliseconds.
    threshold: int
    for_ms: int = 0
    position: Position | None = field(default=None, eq=False)


@frozen
class VirtualHost:
    """One namespace of exchanges, queues and bindings."""

    name: str
    exchanges: dict[str, ExchangeDeclaration] = field(factory=dict)  # name -> declaration
    queues: dict[str, QueueDeclaration] = field(factory=dict)  # name -> declaration
    bindings: list[BindingDeclaration] = field(factory=list)
    policies: dict[str, Policy] = field(factory=dict)  # name -> policy
    operator_policies: dict[str, Policy] = field(factory=dict)  # name -> policy
    requests: dict[str, Request] = field(factory=dict)  # name -> request
    subscriptions: dict[str, Subscription] = field(factory=dict)  # name -> subscription
    alerts: dict[str, Alert] = field(factory=dict)  # name -> alert
    position: Position | None = field(default=None, eq=False)
    ignored: frozenset[str] = field(default=frozenset(), eq=False)

    @property
    def partitions(self) -> dict[str, tuple[str, ...]]:
        """Name of a partitioned queue -> its partitions, in order.

        A partitioned queue is a consistent-hash exchange and queues named like it, with 1, 2 and
        so on behind a dot, each bound to it and with a single active consumer.
        """
        from leveret.config.partitions import partitions_of

        return partitions_of(self)


@frozen
class Permission:
    """Regular expressions for what a user may configure, write to and read from."""

    configure: str
    write: str
    read: str


@frozen
class TopicPermission:
    """Regular expressions for the routing keys a user may write and read on a topic exchange."""

    write: str
    read: str


@frozen
class User:
    """A user; the password is as in the file, after variables were put in."""

    name: str
    password: str | None = field(default=None, repr=False)
    tags: tuple[str, ...] = ()
    permissions: dict[str, Permission] = field(factory=dict)  # virtual host -> permission
    # virtual host -> exchange -> permission
    topic_permissions: dict[str, dict[str, TopicPermission]] = field(factory=dict)
    position: Position | None = field(default=None, eq=False)
    #: As RabbitMQ's definitions have it, in base64; "" lets nobody in. A password goes before it:
    #: a file that gives both is refused, as definitions are by RabbitMQ.
    password_hash: str | None = field(default=None, repr=False)
    hashing_algorithm: str | None = None
    ignored: frozenset[str] = field(default=frozenset(), eq=False)


@frozen
class Expectation:
    """A route that must hold: what is published, or what expires where, and whom it reaches.

    Either `exchange` is set (a publish) or `expires_queue` is. There, no routing key
    stands for the queue's name.
    """

    reaches: tuple[str, ...]
    exchange: str | None = None
    routing_key: str = ""
    headers: dict[str, FieldValue] = field(factory=dict)  # header name -> value
    expires_queue: str | None = None
    expires_after_ms: int | None = None
    virtual_host: str = "/"
    position: Position | None = field(default=None, eq=False)


@frozen
class DefinitionsRest:
    """What RabbitMQ's definitions hold beside all else in a topology; `leveret export` adds it."""

    # section -> objects that a topology cannot declare; other name -> value
    keep: dict[str, FieldValue] = field(factory=dict)
    # section -> for some of its objects, what names the object, and further fields
    fields: dict[str, FieldValue] = field(factory=dict)
    # section -> names of fields that are left out where they have their default, or "all"
    omit: dict[str, FieldValue] = field(factory=dict)


@frozen
class Topology:
    """One topology file. The sections at its top level are those of the virtual host "/"."""

    file: str
    version: int = 1
    compatibility: str = DEFAULT_COMPATIBILITY
    virtual_hosts: dict[str, VirtualHost] = field(factory=dict)  # name -> virtual host
    users: dict[str, User] = field(factory=dict)  # name -> user
    expectations: list[Expectation] = field(factory=list)
    definitions: DefinitionsRest = field(factory=DefinitionsRest)
    ignored: frozenset[str] = field(default=frozenset(), eq=False)
    # name of each file read -> its text, of which findings show a line
    sources: dict[str, Source] = field(factory=dict, eq=False, repr=False)

    def check(self, profile: str | None = None, *, notes: bool = False) -> list[Finding]:
        """Return what is wrong or worth a second look, in the order of the file.

        `profile` is a version of RabbitMQ, such as "4.3": would the topology work there? By
        default it is the file's `compatibility`. `notes` adds what is sound but could be better.

        Raises:
            ValueError: the profile is none of `COMPATIBILITIES`.

        """
        from leveret.config.lint import lint

        return lint(self, profile, notes=notes)

    def diff(self, present: Topology) -> Difference:
        """Return what it takes to make `present` into this topology, object by object."""
        from leveret.config.diff import diff

        return diff(self, present)

    def expand(self, *, comments: bool = False) -> str:
        """Return it as a topology file in which everything is spelled out.

        Read in the same environment, the text declares the same. Passwords stay as variables
        where they come from the environment, and are hashed where they do not. `comments` say
        which objects a short form made, and where.
        """
        from leveret.config.expand import expand

        return expand(self, comments=comments)

    @overload
    def explain(
        self, name: str, *, kind: Literal["queue"], virtual_host: str = "/"
    ) -> QueueExplanation: ...

    @overload
    def explain(
        self, name: str, *, kind: Literal["exchange"], virtual_host: str = "/"
    ) -> ExchangeExplanation: ...

    @overload
    def explain(
        self, name: str, *, kind: None = None, virtual_host: str = "/"
    ) -> QueueExplanation | ExchangeExplanation: ...

    def explain(
        self, name: str, *, kind: DestinationType | None = None, virtual_host: str = "/"
    ) -> QueueExplanation | ExchangeExplanation:
        """Explain a queue or an exchange, by its name; "" is the default exchange.

        Of a queue: what can reach it, and what becomes of messages there. Of an exchange: who gets
        what, which keys nobody takes, and what leads to it. `str()` draws a tree, `to_dict()` has
        all of it. `kind` tells a queue from an exchange of the same name. What one message does,
        `Broker.explain` says.

        Raises:
            UnknownNameError: there is no such virtual host, queue or exchange.
            AmbiguousNameError: both a queue and an exchange have the name.

        """
        from leveret.config.explain import explain

        return explain(self, name, kind, virtual_host)

    def explain_pair(self, one: str, other: str, *, virtual_host: str = "/") -> PairExplanation:
        """Say whether a message with one routing key can reach both of two queues, and which.

        Raises:
            UnknownNameError: there is no such virtual host or queue.

        """
        from leveret.config.explain import explain_pair

        return explain_pair(self, one, other, virtual_host)

    def to_definitions(self) -> dict[str, Any]:
        """Return it as RabbitMQ's definitions: JSON's own types, section -> list of objects.

        What came from definitions comes back whole; exclusive queues, requests,
        subscriptions, alerts and expectations have no place there.
        """
        from leveret.config.definitions_out import to_definitions

        return to_definitions(self)

    def draw(
        self,
        format: Format = "mermaid",  # noqa: A002 # what a caller would look for
        *,
        route: RouteTrace | None = None,
        group: bool = False,
        names: Iterable[str] = (),
    ) -> str | bytes:
        """Return a picture: text for "mermaid", "dot" and "svg", bytes for "png".

        `route` lights one route in the virtual host "/"; `group` draws names that begin alike as
        one box; `names` are patterns with `*` and `?`, to draw only what matches and its
        neighbours.

        Raises:
            TooLargeToDrawError: nobody could read the picture.
            ModuleNotFoundError: SVG or PNG is asked for and the extra `draw` is not installed.

        """
        from leveret.config.draw import draw

        return draw(self, format, route=route, group=group, names=names)
