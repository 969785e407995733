"""What each key of a topology file means, in the words of docs/topology.md; a test compares them.

Editors show these lines beside a key, by way of `leveret schema`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from leveret.config import entries

if TYPE_CHECKING:
    from leveret.config.entries import Entry

__all__ = ["key_help"]

#: Entry -> key -> its meaning. A key that an entry inherits stands with the entry it comes from.
_HELP: dict[type[Entry], dict[str, str]] = {
    entries.TopologyEntry: {
        "version": "of the format: 1",
        "compatibility": "the RabbitMQ version to emulate and to check for:"
        ' "3.10", "3.13", "4.2" (if left out) or "4.3"',
        "include": "other files, relative to this one, whose sections are added to it",
        "virtual_hosts": "by name, the same sections once more, save for `users`;"
        " those at the top are of `/`",
        "users": "who may connect, by name",
        "definitions": "what RabbitMQ's definitions hold beside all this;"
        " written by `leveret import`",
    },
    entries.HostEntry: {
        "defaults": "`exchange` and `queue`: keys that hold for all of them"
        " unless they say otherwise",
        "exchanges": "exchanges by name; `orders: topic` is short for `orders: {type: topic}`",
        "queues": "queues by name",
        "bindings": "a list, each `source[key, key…] -> destination` or a map",
        "policies": "policies by name",
        "operator_policies": "the operator's policies by name; they cap what policies set",
        "requests": "names that a client can call",
        "subscriptions": "names under which programs handle the messages of queues; leveret's own",
        "alerts": "figures of queues that are watched, by name; leveret's own",
        "expect": "routes that must hold",
        "lint": "`ignore`: codes of warnings that are not given for the file,"
        " or for a virtual host",
    },
    entries.DefaultsEntry: {
        "exchange": "what exchanges are unless they say otherwise",
        "queue": "what queues are unless they say otherwise",
    },
    entries.ExchangeDefaults: {
        "type": "`direct`, `fanout`, `topic`, `headers`, `x-consistent-hash`, `x-random`,"
        " `x-delayed-message`, `x-message-deduplication`, or one that a plug-in adds",
        "durable": "whether it outlives a restart of the broker; true if left out",
        "auto_delete": "whether it goes when its last binding does",
        "internal": "whether only bindings lead to it: nobody may publish to it",
        "alternate": "the exchange that gets what no binding takes (`alternate-exchange`)",
        "delayed_type": "of an `x-delayed-message` exchange: the type by which it routes"
        " (`x-delayed-type`)",
        "deduplication": "whether it drops what it was given before"
        " (`x-message-deduplication`); leveret's own",
        "deduplication_header": "the header that identifies a message;"
        " `x-deduplication-header` if left out (`x-deduplication-header`)",
        "cache_size": "how many identifiers it remembers (`x-cache-size`)",
        "cache_ttl": "how long it remembers one (`x-cache-ttl`)",
        "schemas": "JSON Schemas of the messages that are published to it; leveret's own",
        "schema_header": "the header with the version of a message's schema;"
        " `x-schema-version` if left out",
        "unknown_schema": "what becomes of a message that no schema is for:"
        " `accept` (if left out), `count` or `refuse`",
        "arguments": "any others, by their own names",
        "lint": "`ignore`: codes of warnings that are not given for it, nor for bindings from it",
    },
    entries.QueueEntry: {
        "type": "`classic` (if left out), `quorum` or `stream` (`x-queue-type`)",
        "durable": "whether it outlives a restart of the broker; true if left out",
        "exclusive": "whether it belongs to one connection, and ends with it",
        "auto_delete": "whether it goes when its last consumer does",
        "ttl": "how long messages live (`x-message-ttl`)",
        "expires": "how long the queue lives unused (`x-expires`)",
        "max_length": "how many messages it holds (`x-max-length`)",
        "max_bytes": "how many bytes of messages it holds (`x-max-length-bytes`)",
        "overflow": "what a full queue does: `drop-head`, `reject-publish`,"
        " `reject-publish-dlx` (`x-overflow`)",
        "max_priority": "the highest priority it tells apart (`x-max-priority`)",
        "dead_letter": "where messages go that die: {`exchange`, `routing_key`, `strategy`};"
        " or `true`, or `false` against a default",
        "delivery_limit": "how often a quorum queue delivers a message again (`x-delivery-limit`)",
        "single_active_consumer": "whether one consumer at a time gets messages"
        " (`x-single-active-consumer`)",
        "consumer_timeout": "how long a consumer may keep a message without an acknowledgement"
        " (`x-consumer-timeout`)",
        "visibility_timeout": "how long a delivery may stay unsettled before the message is"
        " delivered again (`x-visibility-timeout`); leveret's own",
        "max_age": "how long a stream keeps messages, in whole seconds (`x-max-age`)",
        "max_segment_size": "how many bytes of a stream go at once when it is cut"
        " (`x-stream-max-segment-size-bytes`)",
        "partitions": "in how many parts the queue is, each with a single active consumer,"
        " so that order holds",
        "deduplication": "whether it drops what it was given before"
        " (`x-message-deduplication`); leveret's own",
        "deduplication_header": "the header that identifies a message;"
        " `x-deduplication-header` if left out (`x-deduplication-header`)",
        "cache_size": "how many identifiers it remembers (`x-cache-size`)",
        "cache_ttl": "how long it remembers one (`x-cache-ttl`)",
        "schemas": "JSON Schemas of the messages that are published and reach it; leveret's own",
        "schema_header": "the header with the version of a message's schema;"
        " `x-schema-version` if left out",
        "unknown_schema": "what becomes of a message that no schema is for:"
        " `accept` (if left out), `count` or `refuse`",
        "by": "what decides the partition of a message: `routing_key`, `header NAME`,"
        " or `property NAME`",
        "arguments": "any others, by their own names",
        "lint": "`ignore`: codes of warnings that are not given for it",
    },
    entries.SchemaEntry: {
        "schema": "the path of a JSON Schema, relative to this file, or the schema itself",
        "content_type": "the content type of the messages that it is for; any if left out",
        "version": "their version, as the header says it; any if left out",
        "enforce": "whether what violates it is refused, not only counted; true if left out",
    },
    entries.DeadLetterEntry: {
        "exchange": "the exchange that gets them (`x-dead-letter-exchange`)",
        "routing_key": "their key from then on; their own if left out"
        " (`x-dead-letter-routing-key`)",
        "strategy": "`at-most-once` (if left out) or `at-least-once`, of quorum queues"
        " (`x-dead-letter-strategy`)",
    },
    entries.BindingEntry: {
        "source": "the exchange that messages come from",
        "destination": "the queue or exchange that they go to",
        "destination_type": "`queue` (if left out) or `exchange`",
        "routing_key": "one key",
        "match": "of a headers exchange: the headers wanted, and `x-match`",
        "arguments": "any others",
        "lint": "`ignore`: codes of warnings that are not given for it",
    },
    entries.PolicyEntry: {
        "pattern": "a regular expression, looked for in names",
        "apply_to": "`queues`, `exchanges`, `all` (if left out); from RabbitMQ 3.12 on"
        " `classic_queues`, `quorum_queues`, `streams`",
        "priority": "of the policies that match, the one of the highest priority applies",
        "definition": "RabbitMQ's own keys, such as `max-length`, with bare numbers",
        "lint": "`ignore`: codes of warnings that are not given for it",
    },
    entries.RequestEntry: {
        "exchange": "where a request is published; without an exchange, the key is a queue",
        "routing_key": "where a request is published; without an exchange, the key is a queue",
        "timeout": "how long the caller waits",
    },
    entries.SubscriptionEntry: {
        "queue": "the queue whose messages are handled",
        "concurrency": "how many handlers work at one time; 4 if left out",
        "prefetch": "how many messages the worker holds at one time;"
        " twice `concurrency` if left out",
        "visibility_timeout": "how long a handler may take before the message is"
        " delivered to another",
        "retry": "what happens to a message that failed:"
        " {`attempts`, `first`, `factor`, `max`, `jitter`}; without it, nothing is tried again",
        "dead_letter": "the queue for messages whose last attempt failed",
        "lint": "`ignore`: codes of warnings that are not given for it",
    },
    entries.RetryEntry: {
        "attempts": "how often a message is tried in all; 5 if left out",
        "first": "how long the second attempt waits; 1s if left out",
        "factor": "how much longer each later attempt waits than the one before; 2 if left out",
        "max": "the longest wait; 1m if left out",
        "jitter": "the share of a wait that chance adds or takes, from 0 to 1; 0 if left out",
    },
    entries.AlertEntry: {
        "queue": "the queue that is watched",
        "ready": 'a limit for messages that wait, such as `"> 1000"`',
        "unacked": "the same for messages delivered and not settled",
        "messages": "the same for both together",
        "consumers": 'the same for consumers: `"< 1"`',
        "oldest": 'the same for the age of the oldest message that waits: `"> 10m"`',
        "lag": "the same for messages that a stream's slowest group of readers has not read",
        "redeliveries": "the same for deliveries that were not the first, in all",
        "dead_letters": "the same for messages that died in the queue, in all",
        "for": "how long it must be so before the alarm; at once if left out",
    },
    entries.UserEntry: {
        "password": "in clear, best from the environment: `${PASSWORD}`",
        "password_hash": "instead, never beside it, as RabbitMQ's definitions have it",
        "hashing_algorithm": "of the hash, as RabbitMQ's definitions have it",
        "tags": "a list, such as `administrator`, `monitoring`, `policymaker`, `management`",
        "permissions": "virtual host → {`configure`, `write`, `read`}: regular expressions",
        "topic_permissions": "virtual host → exchange → {`write`, `read`}",
        "lint": "`ignore`: codes of warnings that are not given for it",
    },
    entries.PermissionEntry: {
        "configure": "a regular expression: names that the user may declare and delete",
        "write": "a regular expression: names that the user may publish to or bind to",
        "read": "a regular expression: names that the user may consume from or bind from",
    },
    entries.TopicPermissionEntry: {
        "write": "a regular expression: routing keys that the user may publish with",
        "read": "a regular expression: binding keys that the user may bind with",
    },
    entries.ExpectEntry: {
        "publish": "a message is published: {`exchange`, `routing_key`, `headers`}",
        "expires": "nobody takes a message out of a queue:"
        " {`queue`, `after`, `routing_key`, `headers`}",
        "reaches": "the queues that hold it then",
    },
    entries.PublishEntry: {
        "exchange": 'the exchange it is published to; "" or none is the default exchange',
        "routing_key": "the key it is published with",
        "headers": "the headers it is published with",
    },
    entries.ExpiresEntry: {
        "queue": "the queue in which it waits",
        "after": "how long it waits in all; for good if left out",
        "routing_key": "the key it came with; the queue's name if left out",
        "headers": "the headers it came with",
    },
    entries.LintEntry: {"ignore": "codes of warnings and notes, such as `L07`"},
    entries.DefinitionsEntry: {
        "keep": "objects and settings that are no topology, as definitions have them",
        "fields": "fields of objects that the topology language has no words for",
        "omit": "fields that the definitions leave out",
    },
}


def key_help(entry: type[Entry], key: str) -> str:
    """Return what a key of an entry means.

    Raises:
        KeyError: nothing is written here about it.

    """
    for cls in entry.__mro__:
        if key in _HELP.get(cls, {}):
            return _HELP[cls][key]
    raise KeyError(f"key_help.py says nothing about {entry.__name__}.{key}")
