"""Findings of the checker in the forms that people and machines read.

Each form is made from the same list: text for a terminal, JSON, the workflow commands that GitHub
turns into remarks on a pull request, and SARIF 2.1.0 for editors and code scanning.
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from leveret.cli.report import fault_to_dict
from leveret.cli.screen import printable, shorten

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.text import Text

    from leveret.config.findings import Finding

__all__ = ["counted", "finding_text", "finding_to_dict", "github_command", "sarif_log"]

_STYLES = {"error": "bold red", "warning": "bold yellow", "note": "bold cyan"}
_GITHUB = {"error": "error", "warning": "warning", "note": "notice"}
_SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def finding_text(finding: Finding) -> Text:
    """Return a finding for a terminal: place, message, code, source line with caret, remedy."""
    from rich.cells import cell_len
    from rich.text import Text

    style = _STYLES[finding.severity]
    text = Text(f"{printable(str(finding.position))}: ", style="bold")
    text.append(f"{finding.severity}:", style=style)
    text.append(f" {printable(finding.message)}", style="not bold")
    text.append(f" [{finding.code}]", style="not bold dim")
    if finding.source_line:
        line, column = shorten(finding.source_line, finding.position.column)
        text.append(f"\n  {line}", style="not bold")
        text.append(f"\n  {' ' * cell_len(line[: column - 1])}^", style=style)
    for line in finding.details.splitlines():
        text.append(f"\n    {printable(line)}", style="not bold dim")
    if finding.remedy:
        text.append(f"\n  {printable(finding.remedy)}", style="not bold cyan")
    return text


def counted(number: int, noun: str) -> str:
    """Return a number with its noun.

    >>> counted(1, "queue"), counted(2, "queue")
    ('1 queue', '2 queues')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def finding_to_dict(finding: Finding) -> dict[str, Any]:
    """Return a finding as JSON values."""
    return fault_to_dict(finding) | {
        "severity": finding.severity,
        "code": finding.code,
        "name": finding.rule.name,
        "source_line": finding.source_line,
        "details": finding.details,
    }


def github_command(finding: Finding) -> str:
    """Return the workflow command that makes GitHub show a finding beside its line."""
    place = finding.position
    message = "\n".join(filter(None, (finding.message, finding.details, finding.remedy)))
    title = f"{finding.code} {finding.rule.name}"
    return (
        f"::{_GITHUB[finding.severity]} file={_property(place.file)},line={place.line}"
        f",col={place.column},title={_property(title)}::{_data(message)}"
    )


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def sarif_log(findings: Iterable[Finding]) -> dict[str, Any]:
    """Return findings as a SARIF 2.1.0 log of one run (OASIS SARIF 2.1.0, section 3.13)."""
    from leveret.config.findings import RULES

    codes = list(RULES)
    return {
        "$schema": _SARIF_SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "leveret",
                        "version": version("leveret"),
                        "rules": [
                            {
                                "id": rule.code,
                                "name": rule.name,
                                "shortDescription": {"text": rule.name.replace("-", " ")},
                                "defaultConfiguration": {"level": rule.severity},
                            }
                            for rule in RULES.values()
                        ],
                    }
                },
                "columnKind": "unicodeCodePoints",
                "results": [_sarif_result(finding, codes) for finding in findings],
            }
        ],
    }


def _sarif_result(finding: Finding, codes: list[str]) -> dict[str, Any]:
    place = finding.position
    region: dict[str, Any] = {"startLine": place.line, "startColumn": place.column}
    if finding.source_line:
        region["snippet"] = {"text": finding.source_line}
    parts = (finding.message, finding.details, finding.remedy)
    return {
        "ruleId": finding.code,
        "ruleIndex": codes.index(finding.code),
        "level": finding.severity,
        "message": {"text": "\n".join(filter(None, parts))},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": _uri(place.file)},
                    "region": region,
                }
            }
        ],
    }


def _uri(file: str) -> str:
    """Return a file's name as a URI reference: relative ones stay relative."""
    from urllib.parse import quote

    path = PurePath(file)
    return path.as_uri() if path.is_absolute() else quote(path.as_posix())
