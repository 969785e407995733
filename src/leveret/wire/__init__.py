"""AMQP 0-9-1 as bytes: frames in, channel calls out; events in, frames out. No I/O."""

from leveret.wire.connection import ServerConnection, State
from leveret.wire.limits import Limits

__all__ = ["Limits", "ServerConnection", "State"]
