"""Typed records that live in memory and on disk: on disk first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

import msgspec

from app.services.file_ports import Record, RecordRepository

T = TypeVar("T", bound=msgspec.Struct)


class Shelf(Generic[T]):
    """The records of one kind, by subject."""

    def __init__(self, repository: RecordRepository, kind: str, record_type: type[T]) -> None:
        self._repository = repository
        self._kind = kind
        self._type = record_type
        self._held: dict[str, T] = {}

    async def load(self) -> None:
        """Reads them all; called once at start."""
        self._held = {
            record.subject: msgspec.json.decode(record.record, type=self._type)
            for record in await self._repository.load(self._kind)
        }

    def __iter__(self) -> Iterator[T]:
        return iter(list(self._held.values()))

    def __len__(self) -> int:
        return len(self._held)

    def __contains__(self, subject: str) -> bool:
        return subject in self._held

    def get(self, subject: str) -> T | None:
        """The record, or ``None``."""
        return self._held.get(subject)

    async def put(self, *records: tuple[str, T]) -> None:
        """Inserts or replaces, all or none."""
        await self._repository.save(
            [
                Record(self._kind, subject, msgspec.json.encode(record).decode())
                for subject, record in records
            ]
        )
        self._held.update(records)

    async def drop(self, subjects: Iterable[str]) -> None:
        """Forgets those that are there."""
        known = [subject for subject in subjects if subject in self._held]
        if known:
            await self._repository.remove(self._kind, known)
            for subject in known:
                self._held.pop(subject, None)
