"""The one error of these tests."""

from __future__ import annotations


class ImageTestError(Exception):
    """The image did not do what it must; the text says what was expected."""
