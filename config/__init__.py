"""The topology file: what exists, how it is bound, and what should happen, read and checked."""

from leveret.config.loader import load, loads
from leveret.config.model import (
    BindingDeclaration,
    ExchangeDeclaration,
    Expectation,
    Permission,
    Policy,
    QueueDeclaration,
    Request,
    TopicPermission,
    Topology,
    User,
    VirtualHost,
)

__all__ = [
    "BindingDeclaration",
    "ExchangeDeclaration",
    "Expectation",
    "Permission",
    "Policy",
    "QueueDeclaration",
    "Request",
    "TopicPermission",
    "Topology",
    "User",
    "VirtualHost",
    "load",
    "loads",
]
