"""What RabbitMQ would refuse under another version than the file was read for (E04)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leveret.config.findings import REFUSED
from leveret.config.refusals import BINDING_LIMITS, policy_refusal, queue_refusal, reworded
from leveret.errors import PreconditionFailed
from leveret.exchanges import BindingLimits
from leveret.routing import Binding

if TYPE_CHECKING:
    from leveret.config.lint_host import HostLint

__all__ = ["check_refusals"]


def check_refusals(lint: HostLint) -> None:
    """Report queues, policies and bindings that RabbitMQ would refuse under the profile.

    A file was checked under its own compatibility when it was read.
    """
    topology, view = lint.topology, lint.view
    if topology.sources and view.profile == topology.compatibility:
        return
    for queue in view.host.queues.values():
        refusal = queue_refusal(queue, view.host.name, view.profile)
        if refusal is not None:
            lint.report(REFUSED, queue, refusal.message, refusal.remedy)
    for policy in (*view.host.policies.values(), *view.host.operator_policies.values()):
        refusal = policy_refusal(policy, view.profile)
        if refusal is not None:
            lint.report(REFUSED, policy, refusal.message, refusal.remedy)
    limits = BINDING_LIMITS.get(view.profile, BindingLimits())
    for one in view.host.bindings:
        exchange = view.routes.exchanges.get(one.source)
        if exchange is None or not exchange.name:
            continue
        try:
            exchange.validate_binding(
                Binding(one.source, one.destination, one.routing_key, arguments=one.arguments),
                limits,
            )
        except PreconditionFailed as error:
            refusal = reworded(error, "binding")
            lint.report(REFUSED, one, refusal.message, refusal.remedy)
