"""One SQLite file: models, numbered migrations, the writer thread and the repositories."""

from app.adapters.storage.store import SqliteStore, open_store

__all__ = ["SqliteStore", "open_store"]
