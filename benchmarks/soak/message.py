"""A message of the soak: it names its publisher and its number, and its body can be checked."""

from __future__ import annotations

import hashlib

__all__ = ["PRIORITIES", "body_of", "identity", "priority_of"]

#: The levels of the queue with priorities that are used.
PRIORITIES = 5


def body_of(publisher: str, number: int, size: int) -> bytes:
    """Return the body of a publisher's message: at least `size` bytes that no other one has."""
    head = f"{publisher} {number} {size}\n".encode()
    filler = hashlib.sha256(head).digest()
    return head + filler * (size // len(filler) + 1)


def identity(body: bytes) -> tuple[str, int]:
    """Return publisher and number.

    Raises:
        ValueError: the body is not as it was sent.

    """
    publisher, number, size = body[: body.index(b"\n")].decode().split(" ")
    if body != body_of(publisher, int(number), int(size)):
        raise ValueError(f"body of message {number} of {publisher} is not as it was sent")
    return publisher, int(number)


def priority_of(number: int) -> int:
    """Return the priority that a message of this number is sent with."""
    return number % PRIORITIES
