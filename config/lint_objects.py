"""Rules about single objects: queues, policies, permissions, names."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from leveret.config.lint_host import HostLint, named
from leveret.config.name_patterns import MAX_STEPS
from leveret.config.names import PREDECLARED_EXCHANGES
from leveret.config.source import quoted
from leveret.queues.arguments import queue_type
from leveret.queues.policy_keys import POLICY_KEYS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from leveret.config.lint_host import Subject
    from leveret.config.model import Policy, Topology

__all__ = ["OBJECT_RULES", "USER_RULES"]

#: A name that the broker itself may give, for patterns that are meant for such queues.
_SERVER_NAMED = "amq.gen-JzTY20BRgKO-HjmUJj0wLg"

#: Permissions that are meant to match nothing.
_NOTHING = ("", "^$", "$^")

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def _for_a_policy(lint: HostLint) -> None:
    """L09: arguments that a policy could set instead, and change later."""
    if not lint.wants("L09"):
        return
    host = lint.view.host
    for kind, objects in (("queue", host.queues), ("exchange", host.exchanges)):
        for name, one in objects.items():
            given = [key for key in one.arguments if key.removeprefix("x-") in POLICY_KEYS]
            if given:
                what = "an argument" if len(given) == 1 else "arguments"
                lint.report(
                    "L09",
                    one,
                    f"{kind} {quoted(name)} sets {named(given, 5)} as {what}: that cannot be"
                    f" changed while the {kind} exists",
                    "Set it by a policy, which can be changed at any time.",
                )


def _unlimited(lint: HostLint) -> None:
    """L10: a queue that may grow without bound."""
    if not lint.wants("L10"):
        return
    said = {one.position for one in lint.found if one.code == "L06"}
    for name, queue in lint.view.host.queues.items():
        settings = lint.view.settings[name]
        limits = (
            settings.max_length,
            settings.max_length_bytes,
            settings.message_ttl_ms,
            settings.max_age_ms,
        )
        if queue.exclusive or queue.position in said or any(limit is not None for limit in limits):
            continue
        what, how = "it grows while nobody consumes", "'max_length', 'max_bytes' or 'ttl'"
        if settings.type == "stream":
            what, how = "a stream keeps every message", "'max_age' or 'max_bytes'"
        lint.report(
            "L10",
            queue,
            f"nothing limits queue {quoted(name)}: {what}",
            f"Limit it by a policy, or with a {how}.",
        )


def _transient(lint: HostLint) -> None:
    """L11: a transient queue that is not exclusive; RabbitMQ 4.3 refuses it, an E04 (S20)."""
    if lint.view.profile == "4.3":
        return
    for name, queue in lint.view.host.queues.items():
        if not queue.durable and not queue.exclusive and queue_type(queue.arguments) == "classic":
            lint.report(
                "L11",
                queue,
                f"queue {quoted(name)} is transient and not exclusive, which RabbitMQ 4.3 refuses",
                "Make it durable, with 'expires' if it should go away; or exclusive.",
            )


def _policy_matches_nothing(lint: HostLint) -> None:
    """L13: a policy whose pattern matches no name that it could apply to."""
    host = lint.view.host
    if not lint.wants("L13"):
        return
    kinds = (("policy", host.policies), ("operator policy", host.operator_policies))
    for kind, policies in kinds:
        for name, policy in policies.items():
            if _matches_any(lint, policy.pattern, _names_for(lint, policy)):
                continue
            what = policy.apply_to.replace("_", " ")
            lint.report(
                "L13",
                policy,
                f"{kind} {quoted(name)} applies to nothing: {quoted(policy.pattern)} matches none"
                f" of the {'names' if what == 'all' else what} here",
                "Correct the pattern or 'apply_to', or remove the policy.",
            )


def _names_for(lint: HostLint, policy: Policy) -> Iterator[str]:
    host, apply_to = lint.view.host, policy.apply_to
    if apply_to in ("all", "exchanges"):
        yield from host.exchanges
        yield from filter(None, PREDECLARED_EXCHANGES)
    if apply_to != "exchanges":
        kind = "stream" if apply_to == "streams" else apply_to.removesuffix("_queues")
        for name, queue in host.queues.items():
            if apply_to in ("all", "queues") or queue_type(queue.arguments) == kind:
                yield name
        if apply_to != "streams":
            yield _SERVER_NAMED


def _matches_any(lint: HostLint, pattern: str, names: Iterable[str]) -> bool:
    """Say whether a pattern matches one of the names, or whether that cannot be told."""
    compiled = lint.view.patterns.of(pattern)
    return any(compiled.matches(name) is not False for name in names)


def _mirrored(lint: HostLint) -> None:
    """L17: keys for mirrored queues, which RabbitMQ 4.0 no longer has."""
    if not lint.view.profile.startswith("4"):
        return
    for name, policy in lint.view.host.policies.items():
        keys = [key for key in policy.definition if key.startswith("ha-")]
        if keys:
            lint.report(
                "L17",
                policy,
                f"policy {quoted(name)} sets {named(keys, 5)}, and RabbitMQ 4 mirrors no queues",
                "Make queues that must outlive a node quorum queues, and remove these keys.",
            )


def _retry_leads_nowhere(lint: HostLint) -> None:
    """L19: a subscription whose messages are lost when the last attempt fails."""
    for name, one in lint.view.host.subscriptions.items():
        settings = lint.view.settings.get(one.queue)
        if one.retry is None or one.dead_letter or settings is None:
            continue
        if settings.dead_letter_exchange is None:
            attempts = one.retry.attempts
            lint.report(
                "L19",
                one,
                f"what fails {attempts} times in subscription {quoted(name)} is lost: queue"
                f" {quoted(one.queue)} sends its dead letters nowhere",
                "Give the subscription a 'dead_letter' queue, or the queue 'dead_letter: true'.",
            )


def _idle_handlers(lint: HostLint) -> None:
    """L20: a subscription with more handlers than messages."""
    for name, one in lint.view.host.subscriptions.items():
        if one.prefetch < one.concurrency:
            lint.report(
                "L20",
                one,
                f"subscription {quoted(name)} holds {one.prefetch} messages at a time, too few for"
                f" its {one.concurrency} handlers",
                "Raise 'prefetch', or lower 'concurrency'.",
            )


def _odd_names(lint: HostLint) -> None:
    """L14: names and keys with spaces around them, or characters that nobody sees."""
    host = lint.view.host
    sections: tuple[tuple[str, Mapping[str, Subject]], ...] = (
        ("exchange", host.exchanges),
        ("queue", host.queues),
        ("policy", host.policies),
        ("operator policy", host.operator_policies),
        ("request", host.requests),
        ("subscription", host.subscriptions),
        ("alert", host.alerts),
    )
    for kind, objects in sections:
        for name, one in objects.items():
            _report_odd(lint, kind, name, one)
    for binding in host.bindings:
        _report_odd(lint, "binding key", binding.routing_key, binding)
    if (fault := _oddity(host.name)) and host.position is not None:
        lint.report("L14", host, f"virtual host {host.name!a} {fault}", _REMEDY)


_REMEDY = "Remove it: whoever types the name will miss it."


def _report_odd(lint: HostLint, kind: str, name: str, subject: Subject) -> None:
    if fault := _oddity(name):
        lint.report("L14", subject, f"{kind} {name!a} {fault}", _REMEDY)


def _oddity(name: str) -> str:
    """Return what is odd about a name, or nothing.

    >>> _oddity(" orders"), _oddity("orders")
    ('begins or ends with a space', '')
    """
    if name.isascii() and name.isprintable() and not (name[:1] == " " or name[-1:] == " "):
        return ""
    if _CONTROL.search(name):
        return "holds a control character"
    if any(unicodedata.category(character) == "Cf" for character in name):
        return "holds a character that nobody sees"
    return "begins or ends with a space" if name != name.strip() else ""


def _check_permissions(topology: Topology, hosts: Mapping[str, HostLint]) -> None:
    """L13: a permission whose pattern matches no name of its virtual host."""
    for name, user in topology.users.items():
        for host_name, permission in user.permissions.items():
            lint = hosts.get(host_name)
            if lint is None or not lint.wants("L13"):
                continue
            for what in ("configure", "write", "read"):
                pattern = getattr(permission, what)
                if pattern in _NOTHING or _matches_any(lint, pattern, _all_names(lint)):
                    continue
                lint.report(
                    "L13",
                    user,
                    f"user {quoted(name)} may {what} nothing in virtual host {quoted(host_name)}:"
                    f" {quoted(pattern)} matches no name there",
                    "Correct the pattern; '^$' says that nothing is meant.",
                )


def _all_names(lint: HostLint) -> Iterator[str]:
    yield from lint.view.exchanges
    yield from lint.view.host.queues
    yield _SERVER_NAMED


def _check_user_names(topology: Topology, hosts: Mapping[str, HostLint]) -> None:
    """L14: names of users with spaces around them, or characters that nobody sees."""
    for lint in hosts.values():
        for name, user in topology.users.items():
            _report_odd(lint, "user", name, user)
        break


def _patterns_left(topology: Topology, hosts: Mapping[str, HostLint]) -> None:
    """L18: regular expressions that ask for more work than a check may take."""
    for lint in hosts.values():
        host = lint.view.host
        subjects = (*host.policies.values(), *host.operator_policies.values())
        subject = next(iter(subjects), None) or next(iter(topology.users.values()), None)
        if lint.view.patterns.exhausted and subject is not None:
            lint.report(
                "L18",
                subject,
                "the regular expressions of policies and permissions were not all compared with"
                f" the names: together they ask for more than {MAX_STEPS:,} steps",
                "Use fewer or simpler patterns, or split the file: what policies set was not taken"
                " into account everywhere.",
            )
            return


OBJECT_RULES = (
    _for_a_policy,
    _unlimited,
    _transient,
    _policy_matches_nothing,
    _mirrored,
    _retry_leads_nowhere,
    _idle_handlers,
    _odd_names,
)
USER_RULES = (_check_permissions, _check_user_names, _patterns_left)
