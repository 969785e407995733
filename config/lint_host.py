"""What a rule is handed: one virtual host to look at, and a place to report to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from attrs import define, field

from leveret.config.findings import RULES, Finding
from leveret.errors import Position

if TYPE_CHECKING:
    from leveret.config.model import BindingDeclaration, Expectation, Topology
    from leveret.config.view import HostView

__all__ = ["HostLint", "Subject", "named"]


class Subject(Protocol):
    """Something that stands at a place of a file."""

    @property
    def position(self) -> Position | None:
        """Where it stands; None where no file says it."""
        ...


@define(eq=False)
class HostLint:
    """One virtual host under one profile, and the findings so far."""

    topology: Topology
    view: HostView
    expectations: list[Expectation]
    with_notes: bool
    is_whole: bool
    found: list[Finding] = field(factory=list)  # in this virtual host: rules may look at it
    _said_of_parts: set[tuple[str, Position | None]] = field(factory=set)  # (code, place)

    def wants(self, code: str) -> bool:
        """Say whether anybody would see a finding of this code: rules may skip the work."""
        rule = RULES[code]
        if code in self.topology.ignored or code in self.view.host.ignored:
            return False
        if rule.about_absence and not self.is_whole:
            return False
        return self.with_notes or rule.severity != "note"

    def report(
        self, code: str, subject: Subject, message: str, remedy: str, details: str = ""
    ) -> None:
        """Report a finding about an object, unless it is not wanted or silenced for the object."""
        if not self.wants(code) or code in getattr(subject, "ignored", ()):
            return
        if getattr(subject, "origin", "").startswith("partitions"):
            if (code, subject.position) in self._said_of_parts:
                return  # the parts of a queue are alike
            self._said_of_parts.add((code, subject.position))
        place = subject.position or Position(self.topology.file, 1, 1)
        source = self.topology.sources.get(place.file)
        if source is None or subject.position is None:
            severity = RULES[code].severity
            self.found.append(Finding(place, message, remedy, "", code, severity, details))
            return
        line, column = place.line - 1, place.column - 1
        self.found.append(source.finding(line, column, message, remedy, code, details))

    def report_binding(
        self, code: str, binding: BindingDeclaration, message: str, remedy: str
    ) -> None:
        """Report a finding about a binding; its source exchange may silence it too."""
        source = self.view.exchanges.get(binding.source)
        if source is None or code not in source.ignored:
            self.report(code, binding, message, remedy)


def named(names: list[str], limit: int = 3) -> str:
    """Return names as messages list them.

    >>> named(["a", "b", "c", "d", "e"])
    "'a', 'b', 'c' and 2 more"
    """
    from leveret.config.source import quoted

    shown = [quoted(name) for name in names[:limit]]
    if len(names) > limit:
        return f"{', '.join(shown)} and {len(names) - limit} more"
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)
