"""Has pytest write how each test ended to the file `UPSTREAM_RESULTS`, as JSON."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest

outcomes: dict[str, str] = {}


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.outcome == "failed" or (report.when == "call" and report.outcome == "passed"):
        outcomes[report.nodeid] = report.outcome
    elif report.outcome == "skipped":
        outcomes.setdefault(report.nodeid, "skipped")


def pytest_sessionfinish(session: Any) -> None:
    Path(os.environ["UPSTREAM_RESULTS"]).write_text(json.dumps(outcomes))
