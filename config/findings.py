"""What the checker finds: errors, warnings and notes, each with a code that stays the same.

`RULES` is the one table of the codes. docs/topology.md describes each, and a test holds the two
together.
"""

from __future__ import annotations

from typing import Literal

from attrs import frozen

from leveret.errors import Fault

__all__ = [
    "DEFINED_TWICE",
    "EXPECTATION",
    "MALFORMED",
    "MISSING",
    "REFUSED",
    "RULES",
    "Finding",
    "Rule",
    "Severity",
]

#: An error stops the file from being used; a warning is worth reading; a note is shown on request.
Severity = Literal["error", "warning", "note"]


@frozen
class Rule:
    """One kind of finding. `name` says it in a few words, for machines that group by it."""

    code: str
    name: str
    severity: Severity
    #: Says that something is *absent*, which a faulty file cannot tell for sure.
    about_absence: bool = False


MALFORMED, MISSING, DEFINED_TWICE, REFUSED, EXPECTATION = "E01", "E02", "E03", "E04", "E05"

#: Code -> rule, in the order of the codes.
RULES: dict[str, Rule] = {
    rule.code: rule
    for rule in (
        Rule(MALFORMED, "malformed", "error"),
        Rule(MISSING, "missing-object", "error"),
        Rule(DEFINED_TWICE, "defined-twice", "error"),
        Rule(REFUSED, "refused-by-rabbitmq", "error"),
        Rule(EXPECTATION, "expectation-fails", "error", about_absence=True),
        Rule("L01", "exchange-leads-nowhere", "warning", about_absence=True),
        Rule("L02", "queue-nothing-reaches", "warning", about_absence=True),
        Rule("L03", "covered-binding", "warning"),
        Rule("L04", "keys-no-binding-takes", "note", about_absence=True),
        Rule("L05", "dead-letter-cycle", "warning"),
        Rule("L06", "dead-letter-queue-without-limit", "warning", about_absence=True),
        Rule("L07", "expirations-behind-the-head", "note"),
        Rule("L08", "ttl-with-priorities", "warning"),
        Rule("L09", "argument-for-a-policy", "note"),
        Rule("L10", "queue-without-limit", "note", about_absence=True),
        Rule("L11", "transient-queue", "warning"),
        Rule("L12", "too-many-hashes", "warning"),
        Rule("L13", "pattern-matches-nothing", "warning", about_absence=True),
        Rule("L14", "odd-name", "warning"),
        Rule("L15", "binding-takes-nothing", "warning"),
        Rule("L16", "endless-retry", "note"),
        Rule("L17", "mirrored-queues", "warning"),
        Rule("L18", "patterns-not-tried", "warning"),
        Rule("L19", "retry-leads-nowhere", "warning"),
        Rule("L20", "idle-handlers", "warning"),
    )
}


@frozen
class Finding(Fault):
    """One finding: a fault with its code, its severity and, where it helps, a drawing.

    `details` is text of several lines: a route trace, or a cycle drawn.
    """

    code: str = MALFORMED
    severity: Severity = "error"
    details: str = ""

    @property
    def rule(self) -> Rule:
        """The kind of finding."""
        return RULES[self.code]

    def __str__(self) -> str:
        """Render as `file:line:column: severity: message [code]`, source line, details, remedy."""
        text = f"{self.position}: {self.severity}: {self.message} [{self.code}]"
        if self.source_line:
            before = self.source_line[: self.position.column - 1]
            pad = "".join("\t" if c == "\t" else " " for c in before)
            text += f"\n  {self.source_line}\n  {pad}^"
        for line in self.details.splitlines():
            text += f"\n    {line}"
        if self.remedy:
            text += f"\n  {self.remedy}"
        return text
