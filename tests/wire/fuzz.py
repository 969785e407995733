"""Fuzz the wire for as long as is wanted: `python tests/wire/fuzz.py --seconds 600 --seed 1`.

With `--atheris` (`pip install atheris`) the input is led by what it covers; without it, streams
that clients might send are spoiled at random. A failure is printed with the input that led to it,
as a line of Python; the same seed goes the same way.
"""

from __future__ import annotations

import argparse
import faulthandler
import resource
import sys
import time
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).parent / "support"))

from raw_amqp.conversations import Conversations
from raw_amqp.hostile import Target, corpus, spoil

#: How often progress is printed, in seconds.
REPORT_S = 30.0

#: No stream takes so long on any machine, in seconds: the process ends, and says where it was.
HANGS_S = 60.0


def report(target: Target, started: float) -> None:
    """Print how far it is."""
    seconds = time.monotonic() - started
    rss_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{target.executions:,} executions, {target.executions / seconds:,.0f} a second,"
        f" at most {rss_mib:.0f} MiB resident, {target.most_kept:,} bytes kept for a connection",
        flush=True,
    )


def mutate(seed: int, seconds: float, executions: int) -> None:
    """Spoil streams until the time is over or enough were tried."""
    random, target, streams = Random(seed), Target(), corpus()
    conversations = Conversations(random)
    started = reported = time.monotonic()
    faulthandler.dump_traceback_later(HANGS_S + REPORT_S, exit=True)
    while target.executions < executions:
        data = spoil(random, streams) if random.randrange(4) else conversations.draw()
        pieces = random.choice((0,) * 12 + (3, 64, 64, 500)) if len(data) < 1000 else 0
        try:
            target.run(data, pieces)
        except BaseException:
            print(f"seed {seed}, execution {target.executions}, pieces of {pieces}: {data!r}")
            raise
        now = time.monotonic()
        if now - reported > REPORT_S:
            reported = now
            faulthandler.dump_traceback_later(HANGS_S + REPORT_S, exit=True)
            report(target, started)
        if now - started > seconds:
            break
    target.check()
    report(target, started)


def lead(seed: int, seconds: float, executions: int) -> None:
    """Have atheris look for input that goes where none went before."""
    import atheris  # type: ignore[import-untyped, import-not-found, unused-ignore]

    for name in [name for name in sys.modules if name.startswith(("leveret", "raw_amqp"))]:
        del sys.modules[name]
    with atheris.instrument_imports(include=["leveret.wire", "leveret.engine", "leveret.queues"]):
        from raw_amqp import hostile

    target, seeds = hostile.Target(), Path("build/fuzz-corpus")
    seeds.mkdir(parents=True, exist_ok=True)
    for number, stream in enumerate(hostile.corpus()):
        (seeds / f"scenario-{number}").write_bytes(stream)
    atheris.Setup(
        [
            sys.argv[0],
            f"-seed={seed}",
            f"-max_total_time={int(seconds)}",
            f"-runs={executions}",
            "-max_len=4096",
            str(seeds),
        ],
        target.run,
    )
    atheris.Fuzz()


def main() -> None:
    """Read the arguments and begin."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=60, help="how long; 60")
    parser.add_argument("--executions", type=int, default=10**9, help="how many at most")
    parser.add_argument("--seed", type=int, default=1, help="another goes another way; 1")
    parser.add_argument("--atheris", action="store_true", help="led by coverage")
    options = parser.parse_args()
    way = lead if options.atheris else mutate
    way(options.seed, options.seconds, options.executions)


if __name__ == "__main__":
    main()
