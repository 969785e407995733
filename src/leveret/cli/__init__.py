"""The `leveret` command: check, explain and run a topology file from a terminal."""

from __future__ import annotations

from leveret.cli.app import main

__all__ = ["main"]
