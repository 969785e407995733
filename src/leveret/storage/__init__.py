"""Durability: a journal behind the engine's port, kept in a directory."""

from leveret.storage.database import StorageError
from leveret.storage.storage import Storage

__all__ = ["Storage", "StorageError"]
