"""`python -m upstream`: each client's own tests, on RabbitMQ and on leveret, side by side.

Exit status 1: a test that passes on RabbitMQ does not on leveret.
"""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path

import click

from upstream.brokers import leveret, rabbitmq
from upstream.fetch import fetch
from upstream.runners import Outcomes, run
from upstream.suites import SUITES, Suite

#: How often a test that differs is tried again: some pass only now and then on any broker.
TRIES = 3


@click.command()
@click.argument("clients", nargs=-1)
@click.option("--cache", type=click.Path(path_type=Path), default=Path(sys.prefix) / "upstream")
@click.option("--profile", default="3.10", help="The version that leveret is to behave like.")
def main(clients: tuple[str, ...], cache: Path, profile: str) -> None:
    """Run the tests of CLIENTS, or of all."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that brokers are stopped
    known = {suite.name: suite for suite in SUITES}
    chosen = [known[name] for name in clients] or list(SUITES)
    differing = {suite.name: compare(suite, cache.absolute(), profile) for suite in chosen}
    sys.exit(any(differing.values()))


def compare(suite: Suite, cache: Path, profile: str) -> list[str]:
    """Run a suite on both; print a row of the table, and the tests that only RabbitMQ passes."""
    fetched = fetch(suite, cache)
    with rabbitmq() as address:
        theirs = run(suite, fetched, address)
    with leveret(profile) as address:
        ours = run(suite, fetched, address)
        for _ in range(TRIES):
            worse = [name for name in passed(theirs) if ours.get(name) != "passed"]
            if not worse:
                break
            ours |= run(suite, fetched, address, worse)
    (fetched.folder / "results.json").write_text(json.dumps({"ours": ours, "theirs": theirs}))
    worse = [name for name in passed(theirs) if ours.get(name) != "passed"]
    counts = " | ".join(str(len(each)) for each in (theirs, passed(theirs), passed(ours)))
    print(f"| {suite.name} | {suite.package} | {counts} |", flush=True)
    for name in worse:
        print(f"  only on RabbitMQ: {name}", flush=True)
    return worse


def passed(outcomes: Outcomes) -> list[str]:
    """Return the tests that passed."""
    return [name for name, outcome in outcomes.items() if outcome == "passed"]


if __name__ == "__main__":
    main()
