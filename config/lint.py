"""Checks a whole topology: what RabbitMQ would refuse, what cannot work, what is worth a look.

The rules stand in `lint_routes`, `lint_dead_letters` and `lint_objects`, by what they look at;
here they are run, silenced and put in order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from leveret.config.expectations import run_expectations
from leveret.config.lint_dead_letters import DEAD_LETTER_RULES
from leveret.config.lint_host import HostLint
from leveret.config.lint_objects import OBJECT_RULES, USER_RULES
from leveret.config.lint_refusals import check_refusals
from leveret.config.lint_routes import ROUTE_RULES
from leveret.config.model import COMPATIBILITIES
from leveret.config.name_patterns import NamePatterns
from leveret.config.view import HostView

if TYPE_CHECKING:
    from collections.abc import Callable

    from leveret.config.findings import Finding
    from leveret.config.model import Expectation, Topology

__all__ = ["lint"]

_HOST_RULES = (check_refusals, *ROUTE_RULES, *DEAD_LETTER_RULES, *OBJECT_RULES, run_expectations)


def lint(
    topology: Topology,
    profile: str | None = None,
    *,
    notes: bool = False,
    is_whole: bool = True,
    on_progress: Callable[[float], None] | None = None,
) -> list[Finding]:
    """Return the findings of a topology, sorted by place.

    `is_whole=False` says that parts of the file could not be read: nothing is then said that they
    might refute. `on_progress` is told from time to time how much is done, from 0 to 1.

    Raises:
        ValueError: the profile is none of `COMPATIBILITIES`.

    """
    profile = topology.compatibility if profile is None else profile
    if profile not in COMPATIBILITIES:
        known = ", ".join(COMPATIBILITIES)
        raise ValueError(f"profile {profile!r} is unknown; the profiles are {known}")
    patterns = NamePatterns()
    expectations: dict[str, list[Expectation]] = {}  # virtual host -> its own
    for expectation in topology.expectations:
        expectations.setdefault(expectation.virtual_host, []).append(expectation)
    hosts = [
        HostLint(
            topology,
            HostView(host, profile, patterns),
            expectations.get(host.name, []),
            with_notes=notes,
            is_whole=is_whole,
        )
        for host in topology.virtual_hosts.values()
    ]
    steps = len(hosts) * len(_HOST_RULES)
    for i, host in enumerate(hosts):
        for j, rule in enumerate(_HOST_RULES):
            rule(host)
            if on_progress is not None:
                on_progress((i * len(_HOST_RULES) + j + 1) / steps)
    for user_rule in USER_RULES:
        user_rule(topology, {host.view.host.name: host for host in hosts})
    found = [finding for host in hosts for finding in host.found]
    return sorted(found, key=lambda finding: (*finding.position.order, finding.code))
