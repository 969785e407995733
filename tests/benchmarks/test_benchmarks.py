"""Each benchmark runs and shows its tables; what it measures depends on the machine."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
#: benchmark -> what its tables show, whatever peers are installed
SHOWN = {
    "topic": ["leveret router, 10 bindings", "leveret trie alone: cost at"],
    "topic-repeated": ["leveret router, messages a second"],
    "cycle": ["leveret, all three", "leveret over no broker"],
    "features": ["priorities, 10 levels, over plain", "dead-letter each, rejected, over plain"],
    "unused": ["beside used features, over bare"],
    "consume": ["leveret, a waiting consumer, over plain"],
    "length": ["get and ack: cost at 1,000 over cost at 10"],
    "memory": ["leveret, 1,000 messages, one routing key"],
    "import": ["import leveret: added to the bare interpreter"],
    "storage": ["in a directory over in memory", "bytes on the disk a message"],
    "streams": ["stream, replay, over classic queue", "stream, append in a directory, over"],
    "kit": ["amqp, a socket of its own", "behind the session's socket: processor time"],
    "workers": [
        "leveret, threads, concurrency 4, messages a second",
        "queue.Queue, a thread, processor time over leveret",
    ],
    "latency": ["leveret, threads, concurrency 1, p99", "queue.Queue, a thread, p50"],
    "load": ["load and declare, seconds"],
    "check": ["diff, seconds", "cost per binding"],
}


def run(*arguments: str) -> str:
    command = [sys.executable, "-m", "benchmarks", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """Run all benchmarks, tiny, once; return what was printed and the file of results."""
    results = tmp_path_factory.mktemp("benchmarks") / "results.json"
    return run("--shrink", "1000", "--rounds", "1", "--json", str(results)), results


@pytest.mark.parametrize("name", SHOWN)
def test_a_benchmark_prints_its_figures_and_comparisons(
    name: str, everything: tuple[str, Path]
) -> None:
    printed, _ = everything
    for text in SHOWN[name]:
        assert text in printed


def test_results_are_saved_with_every_round_and_the_circumstances(
    everything: tuple[str, Path],
) -> None:
    saved = json.loads(everything[1].read_text("utf-8"))
    assert len(saved["sections"]) == len(SHOWN)
    assert saved["circumstances"]["leveret"]
    assert saved["scale"] == {"rounds": 1, "shrink": 1000}
    for section in saved["sections"]:
        assert section["comparisons"]
        for figure in section["figures"]:
            assert figure["operations"] > 0
            assert all(nanoseconds > 0 for nanoseconds in figure["cpu_ns"] + figure["wall_ns"])


def test_one_benchmark_can_be_chosen(tmp_path: Path) -> None:
    results = str(tmp_path / "results.json")
    printed = run("--only", "memory", "--shrink", "1000", "--rounds", "1", "--json", results)
    assert "Memory per waiting message" in printed
    assert "Topic routing" not in printed
