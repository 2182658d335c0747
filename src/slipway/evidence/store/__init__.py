"""Log stores: memory and SQLite behind one protocol and one contract test suite."""

from __future__ import annotations

from pathlib import Path

from slipway.evidence.store.interface import Batch, Head, LogStore, Row, Tail
from slipway.evidence.store.memory import MemoryStore
from slipway.evidence.store.sqlite import SqliteStore

__all__ = ["Batch", "Head", "LogStore", "MemoryStore", "Row", "SqliteStore", "Tail", "open_sqlite"]


def open_sqlite(path: Path, origin: str, *, read_only: bool = False) -> SqliteStore:
    """Open (and unless ``read_only`` create) the log in ``path``; refuse another log's file."""
    return SqliteStore(path, origin, read_only=read_only)
