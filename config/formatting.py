"""`leveret fmt`: a topology file laid out in the canonical way, saying the same as before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leveret.config.reading import decode
from leveret.config.source import Source

if TYPE_CHECKING:
    from collections.abc import Callable

    from leveret.config.environment import Environment
    from leveret.config.format_tree import Document

__all__ = ["format_topology"]


def format_topology(
    text: str | bytes,
    file: str = "<text>",
    *,
    on_progress: Callable[[float], None] | None = None,
) -> str:
    """Return the text of a topology file in its canonical layout; `file` is its name in messages.

    Comments are kept, and so are variables and includes: no other file is read, nor the
    environment, and it does not matter whether what the file names is there. `on_progress` is
    told how much is done, from 0 to 1.

    Raises:
        TopologyError: the text is no topology file: `faults` has all that is wrong.

    """
    # What reads takes long to import, as in the loader.
    from leveret.config.files import read_entry
    from leveret.config.format_meaning import meaning_of
    from leveret.config.format_write import write_document

    def tell(done: float) -> None:
        if on_progress is not None:
            on_progress(done)

    source = Source(file, decode(text, file).lstrip("\ufeff"))
    read_entry(source, None, lambda done: tell(0.3 * done))
    if source.faults:
        raise source.stop()
    document, environment = _laid_out(source)
    tell(0.5)
    written = write_document(document, environment)
    tell(0.7)
    if meaning_of(document, environment) != meaning_of(*_laid_out(Source(file, written))):
        message = "this file is written in a way that the canonical layout cannot keep"
        remedy = "Leave out what is unusual in its YAML, such as tags, or lay it out by hand."
        source.report(0, 0, message, remedy)
        raise source.stop()
    return written.replace("\n", "\r\n") if _has_windows_lines(source.text) else written


def _laid_out(source: Source) -> tuple[Document, Environment]:
    from leveret.config.environment import Environment
    from leveret.config.format_layout import lay_out
    from leveret.config.format_read import read_document

    environment = Environment.of(source, None)
    document = read_document(environment.masked)
    lay_out(document, environment)
    return document, environment


def _has_windows_lines(text: str) -> bool:
    first = text.find("\n")
    return first > 0 and text[first - 1] == "\r"
