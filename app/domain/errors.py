"""The exception tree: programming and input errors that stop an action and carry a message key.

Expected trouble (a silent meter, a refused profile) is a state in the model, never an exception.
"""

from __future__ import annotations


class BornierError(Exception):
    """Base of every error the product raises on purpose.

    ``key`` names a text of the catalogue, ``params`` fill it; both reach the page or the console
    in the user's language.
    """

    def __init__(self, key: str, **params: object) -> None:
        super().__init__(f"{key} {params}" if params else key)
        self.key = key
        self.params = params


class InvalidInputError(BornierError):
    """What the user or a file gave cannot be used; ``field`` names the input, when there is one."""

    def __init__(self, key: str, *, field: str | None = None, **params: object) -> None:
        super().__init__(key, **params)
        self.field = field


class NotFoundError(BornierError):
    """The named thing does not exist."""


class UnsafeConfigurationError(BornierError):
    """The configuration's worst case does not fit a circuit; ``params`` carry the arithmetic."""


class StationUnreachableError(BornierError):
    """The station is not connected, or did not answer in time."""


class StationRefusedError(BornierError):
    """The station answered, and its answer was no; ``params['answer']`` quotes it."""


class AccessDeniedError(BornierError):
    """Wrong password, too many attempts, or a right that is missing."""


class StorageError(BornierError):
    """The record could not be made durable (disk full, file damaged)."""
