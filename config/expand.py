"""`leveret expand`: a topology with nothing left to be implied, as data, YAML or JSON.

Everything is said in RabbitMQ's own words: arguments, milliseconds and bytes, one binding a key,
virtual hosts by name, defaults where nothing was given.
"""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING, Any, TypeAlias

from leveret.config.definitions_out import SHA256, hash_password
from leveret.config.environment import Substituted
from leveret.config.source import quoted
from leveret.config.yaml_text import Raw, block, double_quoted, scalar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from leveret.config.model import (
        BindingDeclaration,
        ExchangeDeclaration,
        Expectation,
        MessageSchemas,
        Policy,
        QueueDeclaration,
        Subscription,
        Topology,
        User,
        VirtualHost,
    )

    Entry = dict[str, Any]
    Declaration: TypeAlias = ExchangeDeclaration | QueueDeclaration | BindingDeclaration

__all__ = ["expand", "expand_to_json", "expanded"]

#: What JSON may hold as it is, and YAML may not, or reads otherwise.
_ESCAPED_FOR_YAML = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")


def expanded(topology: Topology, variable: Callable[[Substituted], str]) -> Entry:
    """Return a topology as the data of a file; `variable` makes what stands for a secret.

    The values are JSON's: dict, list, str, int, float, bool and None.
    """
    entry: Entry = {
        "version": topology.version,
        "compatibility": topology.compatibility,
        "virtual_hosts": {
            host.name: _host(host, topology) for host in topology.virtual_hosts.values()
        },
    }
    users = {user.name: _user(user, variable) for user in topology.users.values()}
    if users:
        entry["users"] = users
    entry |= _lint(topology.ignored)
    rest = topology.definitions
    parts = {"keep": rest.keep, "fields": rest.fields, "omit": rest.omit}
    definitions = {name: _spelled(part, variable) for name, part in parts.items() if part}
    if definitions:
        entry["definitions"] = definitions
    return entry


def expand(topology: Topology, *, comments: bool = False) -> str:
    """Return a topology as YAML, laid out as `leveret fmt` does it; see `Topology.expand`."""
    entry = expanded(topology, _yaml_variable)
    lines = [
        f"version: {entry.pop('version')}",
        f"compatibility: {scalar(entry.pop('compatibility'))}",
    ]
    lines += ["", "virtual_hosts:"]
    hosts = entry.pop("virtual_hosts")
    for number, (name, sections) in enumerate(hosts.items()):
        if number:
            lines.append("")
        lines.append(f"  {scalar(name)}:" + ("" if sections else " {}"))
        host = topology.virtual_hosts[name]
        lines += _host_lines(sections, _origins(host, topology.file) if comments else {})
    for name, section in entry.items():
        lines.append("")
        if name == "users":
            lines += [f"{name}:", *_objects(section, 2, {})]
        else:
            lines += block({name: section}, 0)
    return "\n".join(lines) + "\n"


def expand_to_json(topology: Topology) -> str:
    """Return a topology as JSON that can be read as a topology file.

    Raises:
        ValueError: an argument is a number without an end, which JSON cannot say.

    """
    plain = json.dumps(expanded(topology, str), ensure_ascii=False)
    mark = next(chr(code) for code in range(0xE000, 0xF8FF) if chr(code) not in plain)
    entry = expanded(topology, lambda text: text.written.replace("${", mark))
    written = json.dumps(entry, indent=2, ensure_ascii=False, allow_nan=False)
    written = written.replace("${", "\\u0024{").replace(mark, "${")
    return _ESCAPED_FOR_YAML.sub(lambda match: f"\\u{ord(match.group()):04x}", written) + "\n"


# --- virtual hosts ----------------------------------------------------------------


def _host(host: VirtualHost, topology: Topology) -> Entry:
    own = host.ignored - topology.ignored if host.name == "/" else host.ignored
    sections: Entry = {
        "exchanges": {one.name: _exchange(one, topology.file) for one in host.exchanges.values()},
        "queues": {one.name: _queue(one, topology.file) for one in host.queues.values()},
        "bindings": [_binding(one) for one in host.bindings],
        "policies": {one.name: _policy(one) for one in host.policies.values()},
        "operator_policies": {one.name: _policy(one) for one in host.operator_policies.values()},
        "requests": {
            one.name: {"exchange": one.exchange, "routing_key": one.routing_key}
            | _given(timeout=one.timeout_ms)
            for one in host.requests.values()
        },
        "subscriptions": {one.name: _subscription(one) for one in host.subscriptions.values()},
        "alerts": {
            one.name: {"queue": one.queue, one.metric: f"{one.operator} {one.threshold}"}
            | {"for": one.for_ms}
            for one in host.alerts.values()
        },
        "expect": [
            _expectation(one) for one in topology.expectations if one.virtual_host == host.name
        ],
    }
    return {name: section for name, section in sections.items() if section} | _lint(own)


def _exchange(exchange: ExchangeDeclaration, file: str) -> Entry:
    return {
        "type": exchange.type,
        "durable": exchange.durable,
        "auto_delete": exchange.auto_delete,
        "internal": exchange.internal,
        "arguments": exchange.arguments,
        **_schemas(exchange.schemas, file),
    } | _lint(exchange.ignored)


def _queue(queue: QueueDeclaration, file: str) -> Entry:
    return {
        "durable": queue.durable,
        "exclusive": queue.exclusive,
        "auto_delete": queue.auto_delete,
        "arguments": queue.arguments,
        **_schemas(queue.schemas, file),
    } | _lint(queue.ignored)


def _schemas(schemas: MessageSchemas | None, file: str) -> Entry:
    """Return what is said of schemas; a path counts from the topology's own file."""
    if schemas is None:
        return {}
    folder = os.path.dirname(file) or "."
    return {
        "schemas": [
            _given(content_type=one.content_type, version=one.version)
            | {"schema": one.document if one.path is None else os.path.relpath(one.path, folder)}
            | {"enforce": one.enforce}
            for one in schemas.of
        ],
        "schema_header": schemas.version_header,
        "unknown_schema": schemas.unknown,
    }


def _binding(binding: BindingDeclaration) -> Entry:
    return {
        "source": binding.source,
        "destination": binding.destination,
        "destination_type": binding.destination_type,
        "routing_key": binding.routing_key,
        "arguments": binding.arguments,
    } | _lint(binding.ignored)


def _policy(policy: Policy) -> Entry:
    return {
        "pattern": policy.pattern,
        "apply_to": policy.apply_to,
        "priority": policy.priority,
        "definition": policy.definition,
    } | _lint(policy.ignored)


def _subscription(one: Subscription) -> Entry:
    retry = one.retry and {
        "attempts": one.retry.attempts,
        "first": one.retry.first_ms,
        "factor": one.retry.factor,
        "max": one.retry.max_ms,
        "jitter": one.retry.jitter,
    }
    return {
        "queue": one.queue,
        "concurrency": one.concurrency,
        "prefetch": one.prefetch,
        **_given(
            visibility_timeout=one.visibility_timeout_ms, retry=retry, dead_letter=one.dead_letter
        ),
    } | _lint(one.ignored)


def _expectation(expectation: Expectation) -> Entry:
    message = {"routing_key": expectation.routing_key, "headers": expectation.headers}
    if expectation.expires_queue is None:
        what = {"publish": {"exchange": expectation.exchange or "", **message}}
    else:
        after = _given(after=expectation.expires_after_ms)
        what = {"expires": {"queue": expectation.expires_queue, **after, **message}}
    return what | {"reaches": list(expectation.reaches)}


def _lint(ignored: Iterable[str]) -> Entry:
    codes = sorted(ignored)
    return {"lint": {"ignore": codes}} if codes else {}


def _given(**values: Any) -> Entry:
    return {name: value for name, value in values.items() if value is not None}


# --- users and secrets ------------------------------------------------------------


def _user(user: User, variable: Callable[[Substituted], str]) -> Entry:
    password, secret = user.password, _given(password_hash=user.password_hash)
    algorithm = user.hashing_algorithm
    if isinstance(password, Substituted):
        secret = {"password": variable(password), **secret}
    elif password is not None:
        secret, algorithm = {"password_hash": hash_password(user.name, password)}, SHA256
    names = ("configure", "write", "read")
    return {
        **secret,
        **_given(hashing_algorithm=algorithm),
        "tags": list(user.tags),
        "permissions": {
            host: {name: getattr(permission, name) for name in names}
            for host, permission in user.permissions.items()
        },
        "topic_permissions": {
            host: {
                exchange: {"write": permission.write, "read": permission.read}
                for exchange, permission in exchanges.items()
            }
            for host, exchanges in user.topic_permissions.items()
        },
    } | _lint(user.ignored)


def _spelled(value: Any, variable: Callable[[Substituted], str]) -> Any:
    if isinstance(value, dict):
        return {name: _spelled(part, variable) for name, part in value.items()}
    if isinstance(value, list):
        return [_spelled(part, variable) for part in value]
    return variable(value) if isinstance(value, Substituted) else value


def _yaml_variable(text: Substituted) -> str:
    return Raw(double_quoted(text.written).replace("\\x24{", "${"))


# --- lines ------------------------------------------------------------------------


def _host_lines(sections: Entry, origins: dict[str, dict[Any, str]]) -> Iterator[str]:
    for number, (name, section) in enumerate(sections.items()):
        if number:
            yield ""
        if name == "lint":
            yield from block({name: section}, 4)
        else:
            yield f"    {name}:"
            yield from _objects(section, 6, origins.get(name, {}))


def _objects(section: Any, indent: int, comments: dict[Any, str]) -> Iterator[str]:
    """Yield the lines of objects by name, or of a list of them, each under its comment."""
    is_list = isinstance(section, list)
    for key, entry in enumerate(section) if is_list else section.items():
        if key in comments:
            yield " " * indent + comments[key]
        yield from block([entry] if is_list else {key: entry}, indent)


def _origins(host: VirtualHost, file: str) -> dict[str, dict[Any, str]]:
    """Return, by section and by name or index in it, the comment that says what made an object."""
    sections: dict[str, Iterable[tuple[Any, Declaration]]] = {
        "exchanges": host.exchanges.items(),
        "queues": host.queues.items(),
        "bindings": enumerate(host.bindings),
    }
    return {
        name: {key: f"# from {one.origin}{_place(one, file)}" for key, one in items if one.origin}
        for name, items in sections.items()
    }


def _place(declaration: Declaration, file: str) -> str:
    position = declaration.position
    if position is None:
        return ""
    other = "" if position.file == file else f"{quoted(position.file)[1:-1]} "
    return f", {other}line {position.line}"
