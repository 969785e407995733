"""`leveret fmt`."""

from __future__ import annotations

import stat
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

    Invoke = Callable[..., Result]

MESSY = """\
queues:
    billing: {autoDelete: true,   # not kept
        ttl: "1h"}
# where orders come in
exchanges: {orders: 'topic'}
bindings:
- "orders[a,b]->billing"
"""
NEAT = """\
# where orders come in
exchanges: {orders: topic}
queues:
  billing:
    auto_delete: true  # not kept
    ttl: 1h

bindings:
  - orders[a, b] -> billing
"""
BAD = "exchanges: {orders: topic}\nqueus: [billing]\nbindings: [orders[a -> billing]\n"
DIFF = """\
--- messy.yaml
+++ messy.yaml (formatted)
@@ -1,7 +1,9 @@
+# where orders come in
+exchanges: {orders: topic}
 queues:
-    billing: {autoDelete: true,   # not kept
-        ttl: "1h"}
-# where orders come in
-exchanges: {orders: 'topic'}
+  billing:
+    auto_delete: true  # not kept
+    ttl: 1h
+
 bindings:
-- "orders[a,b]->billing"
+  - orders[a, b] -> billing
"""


@pytest.fixture
def messy(folder: Path) -> Path:
    file = folder / "messy.yaml"
    file.write_bytes(MESSY.encode())
    return file


def test_files_are_laid_out_in_place_and_named_if_they_change(invoke: Invoke, messy: Path) -> None:
    result = invoke("fmt", "messy.yaml", "shop.yaml")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "messy.yaml: changed\n", "")
    assert messy.read_bytes() == NEAT.encode()
    result = invoke("fmt", "messy.yaml")
    assert (result.exit_code, result.output) == (0, "")


@pytest.mark.skipif(sys.platform == "win32", reason="modes are those of Unix")
def test_mode_and_symbolic_link_stay(invoke: Invoke, messy: Path, folder: Path) -> None:
    messy.chmod(0o640)
    (folder / "link.yaml").symlink_to("messy.yaml")
    assert invoke("fmt", "link.yaml").exit_code == 0
    assert (folder / "link.yaml").is_symlink()
    assert messy.read_text(encoding="utf-8") == NEAT
    assert stat.S_IMODE(messy.stat().st_mode) == 0o640
    assert {path.name for path in folder.iterdir()} == {"shop.yaml", "messy.yaml", "link.yaml"}


def test_a_file_that_is_laid_out_is_not_written(invoke: Invoke, folder: Path) -> None:
    before = (folder / "shop.yaml").stat()
    assert invoke("fmt", "shop.yaml").exit_code == 0
    after = (folder / "shop.yaml").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_check_writes_nothing_and_fails_if_something_would_change(
    invoke: Invoke, messy: Path
) -> None:
    result = invoke("fmt", "--check", "shop.yaml", "messy.yaml")
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", "messy.yaml: would change\n")
    assert messy.read_text(encoding="utf-8") == MESSY
    assert invoke("fmt", "--check", "shop.yaml").exit_code == 0


def test_diff_prints_what_would_change_and_writes_nothing(invoke: Invoke, messy: Path) -> None:
    result = invoke("fmt", "--diff", "messy.yaml", "shop.yaml")
    assert (result.exit_code, result.stdout, result.stderr) == (0, DIFF, "")
    assert messy.read_text(encoding="utf-8") == MESSY
    result = invoke("fmt", "--diff", "--check", "messy.yaml")
    assert (result.exit_code, result.stdout) == (1, DIFF)
    assert result.stderr == "messy.yaml: would change\n"


def test_a_diff_shows_what_no_line_shows(invoke: Invoke) -> None:
    result = invoke("fmt", "--diff", "-", stdin=b"queues: [a]  \nversion: 1")
    assert result.stdout == (
        "--- <stdin>\n+++ <stdin> (formatted)\n@@ -1,2 +1,2 @@\n-queues: [a]  \n-version: 1\n"
        "\\ No newline at end of file\n+version: 1\n+queues: [a]\n"
    )
    result = invoke("fmt", "--diff", "-", stdin=b"\xef\xbb\xbfqueues: [a]\n")
    assert "-\\ufeffqueues: [a]\n+queues: [a]\n" in result.stdout


def test_standard_input_is_laid_out_on_standard_output(invoke: Invoke) -> None:
    result = invoke("fmt", "-", stdin=MESSY)
    assert (result.exit_code, result.stdout, result.stderr) == (0, NEAT, "")
    result = invoke("fmt", "-", stdin=NEAT)
    assert (result.exit_code, result.stdout) == (0, NEAT)
    result = invoke("fmt", "--check", "-", stdin=MESSY)
    assert (result.exit_code, result.output) == (1, "<stdin>: would change\n")


def test_a_file_with_mistakes_is_left_as_it_is_and_the_others_are_laid_out(
    invoke: Invoke, messy: Path, folder: Path
) -> None:
    (folder / "bad.yaml").write_text(BAD, encoding="utf-8")
    (folder / "typo.yaml").write_text("queus: [a]\n", encoding="utf-8")
    result = invoke("fmt", "bad.yaml", "typo.yaml", "messy.yaml")
    assert (result.exit_code, result.stdout) == (1, "messy.yaml: changed\n")
    checked = invoke("check", "bad.yaml", "typo.yaml")
    assert result.stderr == checked.stderr.replace(" [E01]", "")
    assert (folder / "bad.yaml").read_text(encoding="utf-8") == BAD


def test_what_is_not_there_does_not_matter(
    invoke: Invoke, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NOT_SET", raising=False)
    text = "include: [gone.yaml]\nqueues: {a: {ttl: ${NOT_SET}}}\nbindings:\n  - a -> ${NOT_SET}\n"
    (folder / "part.yaml").write_text(text, encoding="utf-8")
    result = invoke("fmt", "part.yaml")
    assert (result.exit_code, result.output) == (0, "")


def test_windows_line_ends_stay(invoke: Invoke, folder: Path) -> None:
    (folder / "windows.yaml").write_bytes(MESSY.replace("\n", "\r\n").encode())
    assert invoke("fmt", "windows.yaml").exit_code == 0
    assert (folder / "windows.yaml").read_bytes() == NEAT.replace("\n", "\r\n").encode()


def test_a_file_that_is_not_there_is_status_2(invoke: Invoke) -> None:
    assert invoke("fmt", "none.yaml").exit_code == 2


@pytest.mark.parametrize("data", [b"", b"\xff\xfe", b"\x80", b"]", b"# only\n", b"- a\n", b"\0"])
def test_what_is_no_topology_is_refused_kindly(invoke: Invoke, data: bytes) -> None:
    result = invoke("fmt", "-", stdin=data)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("<stdin>:1:")
