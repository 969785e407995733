"""The bytes of a topology file: how many there may be, and which text they are."""

from __future__ import annotations

from leveret.config.source import Source

__all__ = ["MAX_FILE_BYTES", "decode", "why_unreadable"]

#: A topology of 100,000 bindings has about 5 MB; what is larger is some other file.
MAX_FILE_BYTES = 64 * 2**20


def why_unreadable(error: OSError | ValueError) -> str:
    """Return what is wrong with a file that could not be opened, as in "the file …"."""
    match error:
        case FileNotFoundError():
            return "does not exist"
        case IsADirectoryError():
            return "is a directory"
        case PermissionError():
            return "may not be read by you"
        case OSError():
            return f"cannot be read: {error.strerror or error}"
    return "cannot be read"


def decode(text: str | bytes, file: str) -> str:
    """Return the text of a file.

    Raises:
        TopologyError: it is too large, or not in UTF-8.

    """
    size = len(text)
    message, place, remedy, shown = "", (0, 0), "", ""
    if size > MAX_FILE_BYTES:
        message = f"the file is larger than {MAX_FILE_BYTES // 2**20} MiB"
        remedy = "A topology is far smaller: check that this is one."
    elif isinstance(text, str):
        return text.removeprefix("\ufeff")
    elif text.startswith((b"\xff\xfe", b"\xfe\xff")):
        message, remedy = "the file is in UTF-16", "Save it in UTF-8."
    else:
        try:
            return text.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            before = Source(file, text[: error.start].decode("utf-8-sig"))
            place = before.place_of(len(before.text))
            message = f"the byte 0x{text[error.start]:02x} here is not UTF-8"
            remedy = "Save the file in UTF-8."
            shown = text.decode("utf-8-sig", "replace")
    source = Source(file, shown)
    source.report(*place, message, remedy)
    raise source.stop()
