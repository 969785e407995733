"""SQLite's write-ahead log: what of it is lost when it is damaged, which SQLite does not tell.

SQLite reads the log up to the first frame that is not right, as after a power cut, when the last
commit was half written. A frame that was changed later, in the middle, ends the log as well, and
commits behind it are gone without a word. Here they are found: each commit is on the disk before
the next is begun, so that where two whole ones follow, what stands in front of them was right once.
https://sqlite.org/fileformat2.html, section 4.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["damaged_frame"]

#: The magic number of a log whose checksums are of little-endian words; one more, of big-endian.
_LITTLE_ENDIAN = 0x377F0682
_HEADER_BYTES, _FRAME_HEADER_BYTES = 32, 24


def damaged_frame(log: Path) -> int | None:
    """Return the first frame, counted from 1, behind which commits are lost; None for none.

    Reads some 15 MB a second. A broker may be writing meanwhile.

    Raises:
        OSError: the log cannot be read.

    """
    found = _damaged_frame(log)
    # What looked damaged may have been written just then.
    return found if found is not None and _damaged_frame(log) == found else None


def _damaged_frame(log: Path) -> int | None:
    try:
        stream = log.open("rb")
    except FileNotFoundError:
        return None
    with stream:
        header = stream.read(_HEADER_BYTES)
        if len(header) < _HEADER_BYTES:
            return None
        magic, _, page_bytes, _ = struct.unpack_from(">4I", header)
        if magic not in (_LITTLE_ENDIAN, _LITTLE_ENDIAN + 1) or not 512 <= page_bytes <= 65536:
            return None
        words = struct.Struct(f"{'<' if magic == _LITTLE_ENDIAN else '>'}{page_bytes // 4 + 2}I")
        previous = header[24:32]
        number = commits = 0
        damaged: int | None = None
        while len(frame := stream.read(_FRAME_HEADER_BYTES + page_bytes)) > _FRAME_HEADER_BYTES:
            if len(frame) < _FRAME_HEADER_BYTES + page_bytes:
                break
            number += 1
            is_right = frame[8:16] == header[16:24] and frame[16:24] == _checksum(
                words.unpack(frame[:8] + frame[_FRAME_HEADER_BYTES:]), previous
            )
            previous = frame[16:24]
            if not is_right:
                damaged, commits = damaged or number, 0
            elif damaged is not None:
                commits += frame[4:8] != bytes(4)
                if commits == 2:
                    return damaged
    return None


def _checksum(words: tuple[int, ...], before: bytes) -> bytes:
    """Return the checksum of words that goes on from that of the frame before (section 4.2)."""
    first, second = struct.unpack(">2I", before)
    values = iter(words)
    for even, odd in zip(values, values, strict=True):
        first = first + even + second & 0xFFFFFFFF
        second = second + odd + first & 0xFFFFFFFF
    return struct.pack(">2I", first, second)
