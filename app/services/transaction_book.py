"""Which transactions are known, and how sure their ends are: asked at every measurement."""

from __future__ import annotations

from collections import OrderedDict

import msgspec

from app.domain.station import ConnectorKey
from app.domain.transaction import Transaction

KEPT = 2_000
"""The newest transactions; measurements of older ones are kept without their number."""

REPEATS = 2
"""So many measurements in a row of a transaction that is taken for ended show that it goes on."""


class _Entry(msgspec.Struct):
    key: ConnectorKey
    is_sure: bool


class TransactionBook:
    """Remembers the newest transactions by number."""

    def __init__(self) -> None:
        self._entries: OrderedDict[int, _Entry] = OrderedDict()
        self._doubts: dict[ConnectorKey, tuple[int, int]] = {}

    def note(self, transaction: Transaction) -> None:
        """A transaction as it is recorded now."""
        number = transaction.transaction_id
        self._entries[number] = _Entry(transaction.key, transaction.is_sure)
        self._entries.move_to_end(number)
        if len(self._entries) > KEPT:
            self._entries.popitem(last=False)

    def key(self, transaction_id: int | None) -> ConnectorKey | None:
        """Where a transaction runs or ran."""
        entry = None if transaction_id is None else self._entries.get(transaction_id)
        return None if entry is None else entry.key

    def goes_on(self, transaction_id: int) -> bool:
        """Counts a live measurement of a transaction that is not its outlet's present one.

        True once it is plain that the station still runs it, though its end was concluded.
        """
        entry = self._entries[transaction_id]
        if entry.is_sure:
            return False
        doubted, count = self._doubts.get(entry.key, (0, 0))
        count = count + 1 if doubted == transaction_id else 1
        self._doubts[entry.key] = (transaction_id, count)
        return count >= REPEATS

    def is_present(self, key: ConnectorKey) -> None:
        """A live measurement of the outlet's present transaction: nothing else runs there."""
        self._doubts.pop(key, None)
