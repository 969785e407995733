"""An asyncio listener that speaks AMQP 0-9-1 to any client."""

from leveret.server.listener import Server

__all__ = ["Server"]
