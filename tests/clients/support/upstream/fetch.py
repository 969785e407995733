"""Downloads a client, with its tests, into a folder and an environment of its own."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
from typing import TYPE_CHECKING

from attrs import frozen

if TYPE_CHECKING:
    from pathlib import Path

    from upstream.suites import Suite

__all__ = ["Fetched", "fetch"]


@frozen
class Fetched:
    """A client as it was published, with what its tests need."""

    folder: Path
    python: Path


def fetch(suite: Suite, cache: Path) -> Fetched:
    """Return a suite from the cache, where it is downloaded to at first.

    Raises:
        subprocess.CalledProcessError: pip or npm failed.

    """
    home = cache / re.sub(r"\W+", "-", suite.package)
    folder, venv = home / "package", home / "venv"
    fetched = Fetched(folder, venv / "bin" / "python")
    done = home / "needs"
    if done.exists() and done.read_text() == repr(suite.needs):
        return fetched
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    if suite.runner == "mocha":
        _run(home, "npm", "pack", "--silent", suite.package)
        _unpack(home, "*.tgz")
        _run(folder, "npm", "install", "--silent", "--no-audit", "--no-fund", "--omit=dev")
        _run(folder, "npm", "install", "--silent", "--no-audit", "--no-fund", *suite.needs)
    else:
        _run(home, sys.executable, "-m", "venv", str(venv))
        pip = [str(fetched.python), "-m", "pip", "--disable-pip-version-check"]
        name, version = re.fullmatch(r"([\w-]+)(?:\[.*\])?(==.*)", suite.package).groups()  # type: ignore[union-attr]
        _run(home, *pip, "download", "-q", "--no-deps", "--no-binary", name, name + version)
        _unpack(home, "*.tar.gz")
        _run(home, *pip, "install", "-q", suite.package, "pytest", *suite.needs)
    done.write_text(repr(suite.needs))
    return fetched


def _unpack(home: Path, pattern: str) -> None:
    (archive,) = home.glob(pattern)
    with tarfile.open(archive) as packed:
        packed.extractall(home, filter="data")
    if not (home / "package").exists():
        (unpacked,) = (path for path in home.iterdir() if path.is_dir() and path.name != "venv")
        unpacked.rename(home / "package")


def _run(folder: Path, *command: str) -> None:
    subprocess.run(command, cwd=folder, check=True, stdin=subprocess.DEVNULL)
