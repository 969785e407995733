"""The topology file: what exists, how it is bound, and what should happen, read and checked."""

from leveret.config.anyfile import load_any
from leveret.config.diff import Change, Difference
from leveret.config.explain_errors import AmbiguousNameError, UnknownNameError
from leveret.config.explain_values import ExchangeExplanation, PairExplanation, QueueExplanation
from leveret.config.findings import Finding
from leveret.config.formatting import format_topology
from leveret.config.loader import check_file, load, loads, schema
from leveret.config.model import (
    Alert,
    BindingDeclaration,
    ExchangeDeclaration,
    Expectation,
    Permission,
    Policy,
    QueueDeclaration,
    Request,
    RetryPolicy,
    Subscription,
    TopicPermission,
    Topology,
    User,
    VirtualHost,
)

__all__ = [
    "Alert",
    "AmbiguousNameError",
    "BindingDeclaration",
    "Change",
    "Difference",
    "ExchangeDeclaration",
    "ExchangeExplanation",
    "Expectation",
    "Finding",
    "PairExplanation",
    "Permission",
    "Policy",
    "QueueDeclaration",
    "QueueExplanation",
    "Request",
    "RetryPolicy",
    "Subscription",
    "TopicPermission",
    "Topology",
    "UnknownNameError",
    "User",
    "VirtualHost",
    "check_file",
    "format_topology",
    "load",
    "load_any",
    "loads",
    "schema",
]
