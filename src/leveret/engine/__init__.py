"""The broker without I/O: virtual hosts, channels, policies, permissions, timers."""

from typing import TYPE_CHECKING, Any

from leveret.engine.broker import Broker
from leveret.engine.channel import Channel
from leveret.engine.connection import Connection
from leveret.engine.events import Event
from leveret.engine.permissions import Permission, TopicPermission, User
from leveret.engine.policies import Policy
from leveret.engine.ports import ChannelListener
from leveret.engine.profile import PROFILES, Profile

if TYPE_CHECKING:
    from leveret.engine.requests import (
        PendingReply,
        Reply,
        Requests,
        RequestTimeoutError,
        RequestUnroutableError,
    )

__all__ = [
    "PROFILES",
    "Broker",
    "Channel",
    "ChannelListener",
    "Connection",
    "Event",
    "PendingReply",
    "Permission",
    "Policy",
    "Profile",
    "Reply",
    "RequestTimeoutError",
    "RequestUnroutableError",
    "Requests",
    "TopicPermission",
    "User",
]


def __getattr__(name: str) -> Any:
    """Import request and reply when somebody first wants them."""
    if name in __all__:
        from leveret.engine import requests

        return getattr(requests, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
