"""What a topology file's `subscriptions` say, as the options of a worker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from leveret.service.retrying import Retry

if TYPE_CHECKING:
    from leveret.service.core import Core

__all__ = ["subscription_options"]


def subscription_options(core: Core, name: str) -> dict[str, Any]:
    """Return the options that `worker` takes, of a subscription of the file.

    Raises:
        KeyError: there is none of that name; the text says which there are.

    """
    host = core.topology.virtual_hosts.get(core.virtual_host) if core.topology else None
    subscriptions = host.subscriptions if host is not None else {}
    if name not in subscriptions:
        known = ", ".join(map(repr, subscriptions)) or "none"
        raise KeyError(f"the topology has no subscription {name!r}; it has {known}")
    said = subscriptions[name]
    policy = said.retry
    retry = None
    if policy is not None:
        retry = Retry(
            attempts=policy.attempts,
            first=policy.first_ms / 1000,
            factor=policy.factor,
            max=policy.max_ms / 1000,
            jitter=policy.jitter,
        )
    timeout_ms = said.visibility_timeout_ms
    return {
        "queue": said.queue,
        "concurrency": said.concurrency,
        "prefetch": said.prefetch,
        "retry": retry,
        "dead_letter": said.dead_letter,
        "visibility_timeout": None if timeout_ms is None else timeout_ms / 1000,
    }
