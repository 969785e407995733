"""`python -m leveret` is the `leveret` command."""

from __future__ import annotations

from leveret.cli import main

if __name__ == "__main__":
    main(prog_name="leveret")
