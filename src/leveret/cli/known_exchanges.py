"""Whether an exchange can be published to, asked before: a publish to none closes the channel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aio_pika.exceptions import ChannelClosed, ChannelNotFoundEntity
from attrs import define, field

if TYPE_CHECKING:
    from aio_pika.abc import AbstractConnection

__all__ = ["KnownExchanges"]


@define(eq=False)
class KnownExchanges:
    """Asks a broker for each exchange once, on a channel made for that."""

    connection: AbstractConnection
    # exchange -> why nothing can be published to it; empty where something can
    _refusals: dict[str, str] = field(factory=lambda: {"": ""}, init=False)

    async def refusal(self, exchange: str) -> str:
        """Return why nothing can be published to an exchange, or nothing where it can."""
        if exchange not in self._refusals:
            asking = await self.connection.channel()
            try:
                await asking.get_exchange(exchange, ensure=True)
                self._refusals[exchange] = ""
            except ChannelNotFoundEntity as error:
                self._refusals[exchange] = f"404 {error}"
            except ChannelClosed:  # it may not be looked at, but perhaps published to
                self._refusals[exchange] = ""
            if not asking.is_closed:
                await asking.close()
        return self._refusals[exchange]
