"""Fuzz the topology language: `python tests/config/fuzz.py --seconds 600 --seed 1`.

Spoiled files, pieces of YAML, senseless topologies and spoiled definitions are loaded, checked,
laid out, expanded, explained, drawn, compared, exported and imported. A failure is printed with
the file that led to it, as a line of Python; the same seed goes the same way.
"""

from __future__ import annotations

import argparse
import faulthandler
import resource
import sys
import time
import traceback
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).parent / "support"))

from hostile_files.make import Maker
from hostile_files.target import Target

#: How often progress is printed, in seconds.
REPORT_S = 60.0

#: No file takes so long on any machine, in seconds: the process ends, and says where it was.
HANGS_S = 120.0


def report(target: Target, started: float) -> None:
    """Print how far it is."""
    rss_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    longest_s, way = target.longest
    print(
        f"{target.executions:,} files, {target.good:,} of them good, in"
        f" {time.monotonic() - started:,.0f} s; at most {rss_mib:.0f} MiB resident; the longest:"
        f" {way}, {longest_s:.2f} s of processor time",
        flush=True,
    )


def main() -> None:
    """Read the arguments, and read files until the time is over or enough were tried."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=60, help="how long; 60")
    parser.add_argument("--executions", type=int, default=10**9, help="how many files at most")
    parser.add_argument("--seed", type=int, default=1, help="another goes another way; 1")
    parser.add_argument("--keep-going", action="store_true", help="go on after a failure")
    options = parser.parse_args()
    maker, target = Maker(Random(options.seed)), Target(Random(options.seed))
    started = reported = time.monotonic()
    while target.executions < options.executions and time.monotonic() - started < options.seconds:
        faulthandler.dump_traceback_later(HANGS_S, exit=True)
        data = maker.make()
        try:
            target.run(data)
        except BaseException:
            print(f"seed {options.seed}, file {target.executions}: {data!r}", flush=True)
            if not options.keep_going:
                raise
            traceback.print_exc()
        if time.monotonic() - reported > REPORT_S:
            reported = time.monotonic()
            report(target, started)
    report(target, started)


if __name__ == "__main__":
    main()
