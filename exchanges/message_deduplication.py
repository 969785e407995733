"""The exchange `x-message-deduplication`: a fanout that drops what it was given before.

It is that of the RabbitMQ plugin of this name; any other type does the same with the argument
`x-message-deduplication` (`leveret.deduplication`). Texts are the plugin's.
"""

from __future__ import annotations

from attrs import define

from leveret.deduplication import DeduplicationSettings
from leveret.errors import PreconditionFailed
from leveret.exchanges.fanout import FanoutExchange

__all__ = ["MessageDeduplicationExchange"]


@define(eq=False)
class MessageDeduplicationExchange(FanoutExchange):
    """Routes to everything bound what it was not given before."""

    type = "x-message-deduplication"

    def _deduplication(self) -> DeduplicationSettings | None:
        arguments = {**self.arguments, "x-message-deduplication": True}
        for name in ("x-cache-size", "x-cache-ttl"):
            if isinstance(text := arguments.get(name), str) and text.isdecimal():
                arguments[name] = int(text)  # the plugin takes numbers as text too
        return DeduplicationSettings.of(arguments)

    def _validate_deduplication(self, virtual_host: str) -> None:
        settings = self._deduplication()
        if settings is None or not settings.cache_size:
            raise PreconditionFailed(
                "Missing or invalid argument, 'x-cache-size' must be an integer greater than 0"
            )
        if settings.cache_ttl_ms is None and "x-cache-ttl" in self.arguments:
            raise PreconditionFailed(
                "Invalid argument, 'x-cache-ttl' must be an integer greater than 0"
            )
        if self.arguments.get("x-cache-persistence", "disk") not in ("disk", "memory"):
            raise PreconditionFailed(
                "Invalid argument, 'x-cache-persistence' must be either 'disk' or 'memory'"
            )
