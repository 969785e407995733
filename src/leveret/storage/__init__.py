"""Durability: a journal behind the engine's port, kept in a directory."""

from leveret.storage.directory import StorageError
from leveret.storage.recovery import Recovery
from leveret.storage.storage import Storage, storage_of

__all__ = ["Recovery", "Storage", "StorageError", "storage_of"]
