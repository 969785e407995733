"""The sections of a topology file as they are written: which keys there are, and what each wants.

These classes are the one table of the format. `structure.py` reads YAML nodes into them by their
annotations, an absent key being None; `assemble.py` makes a `Topology` of them.
"""

from __future__ import annotations

from typing import ClassVar, Literal, NewType

from attrs import define, field, frozen

from leveret.config.binding_text import BindingText
from leveret.config.limits import Limit
from leveret.config.nodes import Node, ScalarNode
from leveret.config.partition_key import HashedPart
from leveret.properties import FieldValue

__all__ = [
    "Age",
    "AgeLimit",
    "AlertEntry",
    "BindingEntry",
    "BindingLine",
    "Code",
    "Count",
    "CountLimit",
    "DeadLetterEntry",
    "DefaultsEntry",
    "DefinitionsEntry",
    "Duration",
    "Entry",
    "ExchangeDefaults",
    "ExchangeEntry",
    "ExchangeName",
    "ExpectEntry",
    "ExpiresEntry",
    "Flag",
    "HostEntry",
    "Key",
    "LintEntry",
    "Name",
    "Number",
    "PartitionKey",
    "PermissionEntry",
    "PolicyEntry",
    "PublishEntry",
    "QueueEntry",
    "Ratio",
    "Regex",
    "RequestEntry",
    "RetryEntry",
    "Schema",
    "SchemaEntry",
    "Size",
    "SubscriptionEntry",
    "Table",
    "Text",
    "TopicPermissionEntry",
    "TopologyEntry",
    "UserEntry",
]

Name = NewType("Name", str)  # of an exchange, queue, policy…: at most 255 bytes
ExchangeName = NewType("ExchangeName", str)  # the same, or "" for the default exchange
Key = NewType("Key", str)  # a routing key or binding key: at most 255 bytes
Text = NewType("Text", str)
Regex = NewType("Regex", str)
Duration = NewType("Duration", int)  # milliseconds
Size = NewType("Size", int)  # bytes
Count = NewType("Count", int)  # an integer that is not negative
Number = NewType("Number", int)
Ratio = NewType("Ratio", float)  # a number that is not negative
Age = NewType("Age", str)  # a duration in whole seconds, as streams take it: 7D
CountLimit = NewType("CountLimit", Limit)  # of a count: > 1000
PartitionKey = NewType("PartitionKey", HashedPart)  # header user_id
AgeLimit = NewType("AgeLimit", Limit)  # of a duration in milliseconds: > 10m
Flag = NewType("Flag", bool)
Schema = NewType("Schema", object)  # the path of a JSON Schema's file, or the schema itself
Table = NewType("Table", dict[str, FieldValue])
Code = NewType("Code", str)  # of a warning or note, such as L07

Overflow = Literal["drop-head", "reject-publish", "reject-publish-dlx"]
QueueType = Literal["classic", "quorum", "stream"]
UnknownSchema = Literal["accept", "count", "refuse"]
Strategy = Literal["at-most-once", "at-least-once"]
ApplyTo = Literal["queues", "exchanges", "all", "classic_queues", "quorum_queues", "streams"]


@frozen(kw_only=True)
class Entry:
    """What every entry knows beside its keys."""

    #: The key that a plain text in place of the map stands for; "" if there is no such short form.
    SHORT_FOR: ClassVar[str] = ""
    #: What messages call it.
    CALLED: ClassVar[str] = "this file"
    #: Keys that must be there.
    REQUIRED: ClassVar[tuple[str, ...]] = ()

    node: Node  # where the entry is named: its key, or its item in a list
    nodes: dict[str, Node] = field(factory=dict)  # key -> the node of its value


@frozen(kw_only=True)
class LintEntry(Entry):
    """`lint`: which warnings an object need not hear."""

    CALLED = "'lint'"

    ignore: list[Code] | None = None


@frozen(kw_only=True)
class SchemaEntry(Entry):
    """`schemas`: a JSON Schema, and the messages that it is for."""

    CALLED = "a schema"
    REQUIRED = ("schema",)

    schema: Schema | None = None
    content_type: Text | None = None
    version: Text | None = None
    enforce: Flag | None = None


@frozen(kw_only=True)
class ExchangeDefaults(Entry):
    """`defaults: {exchange: …}`."""

    CALLED = "'defaults: exchange'"

    type: Text | None = None
    durable: Flag | None = None
    auto_delete: Flag | None = None
    internal: Flag | None = None
    alternate: ExchangeName | None = None
    delayed_type: Text | None = None
    deduplication: Flag | None = None
    deduplication_header: Text | None = None
    cache_size: Count | None = None
    cache_ttl: Duration | None = None
    schemas: list[SchemaEntry] | None = None
    schema_header: Name | None = None
    unknown_schema: UnknownSchema | None = None
    arguments: Table | None = None
    lint: LintEntry | None = None


@frozen(kw_only=True)
class ExchangeEntry(ExchangeDefaults):
    """One exchange; `orders: topic` is short for `orders: {type: topic}`."""

    CALLED = "an exchange"
    SHORT_FOR = "type"


@frozen(kw_only=True)
class DeadLetterEntry(Entry):
    """`dead_letter`: where messages go that die in a queue."""

    CALLED = "'dead_letter'"

    exchange: ExchangeName | None = None
    routing_key: Key | None = None
    strategy: Strategy | None = None


@frozen(kw_only=True)
class QueueEntry(Entry):
    """One queue, or what all queues share."""

    CALLED = "a queue"

    type: QueueType | None = None
    durable: Flag | None = None
    exclusive: Flag | None = None
    auto_delete: Flag | None = None
    ttl: Duration | None = None
    expires: Duration | None = None
    max_length: Count | None = None
    max_bytes: Size | None = None
    overflow: Overflow | None = None
    max_priority: Count | None = None
    dead_letter: DeadLetterEntry | bool | None = None
    delivery_limit: Number | None = None
    single_active_consumer: Flag | None = None
    consumer_timeout: Duration | None = None
    visibility_timeout: Duration | None = None
    max_age: Age | None = None
    max_segment_size: Size | None = None
    partitions: Count | None = None
    by: PartitionKey | None = None
    deduplication: Flag | None = None
    deduplication_header: Text | None = None
    cache_size: Count | None = None
    cache_ttl: Duration | None = None
    schemas: list[SchemaEntry] | None = None
    schema_header: Name | None = None
    unknown_schema: UnknownSchema | None = None
    arguments: Table | None = None
    lint: LintEntry | None = None


@define
class BindingLine:
    """A binding in its short form, `source[key, key] -> destination`."""

    node: ScalarNode
    text: BindingText


@frozen(kw_only=True)
class BindingEntry(Entry):
    """A binding in its long form."""

    CALLED = "a binding"
    REQUIRED = ("source", "destination")

    source: ExchangeName | None = None
    destination: Name | None = None
    destination_type: Literal["queue", "exchange"] | None = None
    routing_key: Key | None = None
    match: Table | None = None
    arguments: Table | None = None
    lint: LintEntry | None = None


@frozen(kw_only=True)
class PolicyEntry(Entry):
    """One policy or operator policy."""

    CALLED = "a policy"
    REQUIRED = ("pattern", "definition")

    pattern: Regex | None = None
    apply_to: ApplyTo | None = None
    priority: Number | None = None
    definition: Table | None = None
    lint: LintEntry | None = None


@frozen(kw_only=True)
class RequestEntry(Entry):
    """One name that a client can call."""

    CALLED = "a request"
    REQUIRED = ("routing_key",)

    exchange: ExchangeName | None = None
    routing_key: Key | None = None
    timeout: Duration | None = None


@frozen(kw_only=True)
class RetryEntry(Entry):
    """`retry`: how often a message that failed is tried again, and when; `retry: 5` is short."""

    CALLED = "'retry'"
    SHORT_FOR = "attempts"

    attempts: Count | None = None
    first: Duration | None = None
    factor: Ratio | None = None
    max: Duration | None = None
    jitter: Ratio | None = None


@frozen(kw_only=True)
class SubscriptionEntry(Entry):
    """One name under which a program handles the messages of a queue."""

    CALLED = "a subscription"
    REQUIRED = ("queue",)

    queue: Name | None = None
    concurrency: Count | None = None
    prefetch: Count | None = None
    visibility_timeout: Duration | None = None
    retry: RetryEntry | None = None
    dead_letter: Name | None = None
    lint: LintEntry | None = None


@frozen(kw_only=True)
class AlertEntry(Entry):
    """One figure of a queue that is watched."""

    CALLED = "an alert"
    REQUIRED = ("queue",)

    queue: Name | None = None
    ready: CountLimit | None = None
    unacked: CountLimit | None = None
    messages: CountLimit | None = None
    consumers: CountLimit | None = None
    oldest: AgeLimit | None = None
    lag: CountLimit | None = None
    redeliveries: CountLimit | None = None
    dead_letters: CountLimit | None = None
    for_: Duration | None = None


@frozen(kw_only=True)
class DefaultsEntry(Entry):
    """What the objects of a kind share where they do not say otherwise."""

    CALLED = "'defaults'"

    exchange: ExchangeDefaults | None = None
    queue: QueueEntry | None = None


@frozen(kw_only=True)
class PublishEntry(Entry):
    """`expect`: a message that is published."""

    CALLED = "'publish'"

    exchange: ExchangeName | None = None
    routing_key: Key | None = None
    headers: Table | None = None


@frozen(kw_only=True)
class ExpiresEntry(Entry):
    """`expect`: a message that nobody takes out of a queue.

    Its routing key and headers are those it was published with; without a key it is the queue's
    name, as if it had come through the default exchange.
    """

    CALLED = "'expires'"
    REQUIRED = ("queue",)

    queue: Name | None = None
    after: Duration | None = None
    routing_key: Key | None = None
    headers: Table | None = None


@frozen(kw_only=True)
class ExpectEntry(Entry):
    """One route that must hold."""

    CALLED = "an expectation"
    REQUIRED = ("reaches",)

    publish: PublishEntry | None = None
    expires: ExpiresEntry | None = None
    reaches: list[Name] | None = None


@frozen(kw_only=True)
class HostEntry(Entry):
    """The sections of a virtual host."""

    CALLED = "a virtual host"

    defaults: DefaultsEntry | None = None
    exchanges: dict[Name, ExchangeEntry] | None = None
    queues: dict[Name, QueueEntry] | None = None
    bindings: list[BindingEntry | BindingLine] | None = None
    policies: dict[Name, PolicyEntry] | None = None
    operator_policies: dict[Name, PolicyEntry] | None = None
    requests: dict[Name, RequestEntry] | None = None
    subscriptions: dict[Name, SubscriptionEntry] | None = None
    alerts: dict[Name, AlertEntry] | None = None
    expect: list[ExpectEntry] | None = None
    lint: LintEntry | None = None


@frozen(kw_only=True)
class PermissionEntry(Entry):
    """What a user may do in one virtual host."""

    CALLED = "a permission"
    REQUIRED = ("configure", "write", "read")

    configure: Regex | None = None
    write: Regex | None = None
    read: Regex | None = None


@frozen(kw_only=True)
class TopicPermissionEntry(Entry):
    """Which routing keys a user may use on one topic exchange."""

    CALLED = "a topic permission"
    REQUIRED = ("write", "read")

    write: Regex | None = None
    read: Regex | None = None


@frozen(kw_only=True)
class UserEntry(Entry):
    """One user."""

    CALLED = "a user"

    password: Text | None = None
    password_hash: Text | None = None
    hashing_algorithm: Text | None = None
    tags: list[Name] | None = None
    permissions: dict[Name, PermissionEntry] | None = None
    topic_permissions: dict[Name, dict[Name, TopicPermissionEntry]] | None = None
    lint: LintEntry | None = None


@frozen(kw_only=True)
class DefinitionsEntry(Entry):
    """What RabbitMQ's definitions hold beside the rest of the file."""

    CALLED = "'definitions'"

    keep: Table | None = None
    fields: Table | None = None
    omit: Table | None = None


@frozen(kw_only=True)
class TopologyEntry(HostEntry):
    """A whole file; the sections of a virtual host at this level are those of "/"."""

    CALLED = "a topology"

    version: Number | None = None
    include: list[Text] | None = None
    compatibility: Text | None = None
    virtual_hosts: dict[Name, HostEntry] | None = None
    users: dict[Name, UserEntry] | None = None
    definitions: DefinitionsEntry | None = None
