"""Runs a fetched suite on a broker and tells how each of its tests ended."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from upstream.brokers import Address
    from upstream.fetch import Fetched
    from upstream.suites import Suite

__all__ = ["Outcomes", "run"]

#: Name of a test -> passed, failed or skipped.
Outcomes = dict[str, str]

SUPPORT = Path(__file__).parents[1]
#: The longest that a suite may take, in seconds.
PATIENCE_S = 3600


def run(suite: Suite, fetched: Fetched, address: Address, only: Sequence[str] = ()) -> Outcomes:
    """Run a suite, or some of its tests; what it prints goes to `output` beside it."""
    environment = {
        **os.environ,
        "UPSTREAM_HOST": address.host,
        "UPSTREAM_PORT": str(address.port),
        "UPSTREAM_TLS_PORT": str(address.tls_port),
        **{
            name: value.format(
                host=address.host, port=address.port, tls_port=address.tls_port, url=address.url
            )
            for name, value in suite.environment.items()
        },
    }
    runner = _mocha if suite.runner == "mocha" else _pytest
    with tempfile.TemporaryDirectory() as scratch:
        results = Path(scratch) / "results.json"
        environment["UPSTREAM_RESULTS"] = str(results)
        command = runner(suite, fetched, results, only)
        environment["PYTHONPATH"] = os.pathsep.join([str(SUPPORT), str(fetched.folder)])
        with (fetched.folder / "output").open("ab") as output:
            subprocess.run(
                command,
                cwd=fetched.folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                timeout=PATIENCE_S,
                check=False,
            )
        text = results.read_text() if results.exists() else "{}"
    return _mocha_s(json.loads(text)) if suite.runner == "mocha" else json.loads(text)


def _pytest(suite: Suite, fetched: Fetched, _: Path, only: Sequence[str]) -> list[str]:
    plugins = ["recording", *suite.plugins]
    loaded = [word for name in plugins for word in ("-p", f"upstream.plugins.{name}")]
    options = ["-p", "no:cacheprovider", "-o", "addopts=", *suite.options]
    command = [str(fetched.python), "-m", "pytest", *loaded, *options, *suite.left_out]
    return [*command, *(only or suite.tests)]


def _mocha(suite: Suite, _: Fetched, results: Path, only: Sequence[str]) -> list[str]:
    report = ["--reporter", "json", "--reporter-option", f"output={results}"]
    command = ["node_modules/.bin/mocha", "--check-leaks", "-u", "tdd", "--exit", *report]
    chosen = ["--grep", "|".join(map(_quoted, only))] if only else []
    return [*command, *chosen, *suite.tests]


def _quoted(title: str) -> str:
    special = r"\^$.*+?()[]{}|/"
    return "^" + "".join(f"\\{c}" if c in special else c for c in title) + "$"


def _mocha_s(report: dict[str, list[dict[str, str]]]) -> Outcomes:
    kinds = {"passes": "passed", "failures": "failed", "pending": "skipped"}
    return {
        test["fullTitle"]: outcome
        for kind, outcome in kinds.items()
        for test in report.get(kind, ())
    }
