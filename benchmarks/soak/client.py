"""One client process: `python -m benchmarks.soak.client ROLE …`.

SIGUSR1 has it publish no more, SIGTERM leave.
"""

from __future__ import annotations

import logging
import signal
import threading
import traceback
from pathlib import Path

import click

from benchmarks.soak.job import Job, Work
from benchmarks.soak.ledger import Ledger
from benchmarks.soak.roles import ROLES


@click.command()
@click.argument("role", type=click.Choice(list(ROLES)))
@click.option("--port", type=int, required=True)
@click.option("--incarnation", type=int, required=True)
@click.option("--seed", required=True)
@click.option("--rate", type=float, required=True)
@click.option("--ledgers", type=click.Path(file_okay=False, path_type=Path), required=True)
def main(role: str, port: int, incarnation: int, seed: str, rate: float, ledgers: Path) -> None:
    """Do the jobs of a role until told to leave."""
    logging.disable()  # what matters is in the ledger
    quiet, stop = threading.Event(), threading.Event()

    def leave(*_: object) -> None:
        quiet.set()
        stop.set()

    signal.signal(signal.SIGUSR1, lambda *_: quiet.set())
    signal.signal(signal.SIGTERM, leave)
    threads = []
    for name, work in ROLES[role]().items():
        whole = f"{role}.{incarnation}.{name}"
        with_ledger = Ledger(ledgers / f"{whole}.txt")
        job = Job(whole, "127.0.0.1", port, with_ledger, work.task, seed, rate, quiet, stop)
        threads.append(threading.Thread(target=_run, args=(work, job), name=name))
    for thread in threads:
        thread.start()
    for thread in threads:
        # with a timeout, or a signal waits for the thread
        while thread.is_alive():
            thread.join(0.2)


def _run(work: Work, job: Job) -> None:
    with job.ledger:
        try:
            work.run(job)
        except BaseException:
            for line in traceback.format_exc().splitlines():
                job.ledger.note("fault", line)


if __name__ == "__main__":
    main()
