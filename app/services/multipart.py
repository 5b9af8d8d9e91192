"""``multipart/form-data`` (RFC 7578) as it comes in, piece by piece, without holding a file."""

from __future__ import annotations

from typing import Final, NamedTuple

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

FIELD_MOST: Final = 16 * 1024
"""Bytes of a field that is no file; a certificate is the longest."""

PARTS_MOST: Final = 32


class MultipartError(Exception):
    """The body is not what its header says, or has too much of something."""


class Field(NamedTuple):
    """A whole field."""

    name: str
    value: str


class FileBegin(NamedTuple):
    """A file begins; ``file_name`` as its sender calls it."""

    name: str
    file_name: str


class FileData(NamedTuple):
    """The next bytes of the file."""

    data: bytes


class FileEnd(NamedTuple):
    """The file is complete."""


Event = Field | FileBegin | FileData | FileEnd


def boundary_of(content_type: str) -> bytes:
    """The boundary in a Content-Type header. Raises ``MultipartError`` for any other type."""
    kind, options = parse_options_header(content_type)
    boundary = options.get(b"boundary", b"")
    if kind != b"multipart/form-data" or not boundary:
        raise MultipartError("no form with files")
    return boundary


class MultipartReader:
    """Turns bytes into events."""

    def __init__(self, boundary: bytes) -> None:
        """Raises ``MultipartError`` for a boundary that no form has."""
        self._events: list[Event] = []
        self._parts = 0
        self._header = b""
        self._value = b""
        self._headers: dict[bytes, bytes] = {}
        self._name = ""
        self._is_file = False
        self._field = b""
        self.ended = False
        """Whether the closing boundary has come."""
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin,
                    "on_header_field": self._header_name,
                    "on_header_value": self._header_value,
                    "on_header_end": self._header_end,
                    "on_headers_finished": self._headers_finished,
                    "on_part_data": self._data,
                    "on_part_end": self._end,
                    "on_end": self._all,
                },
            )
        except FormParserError as error:
            raise MultipartError(str(error)) from error

    def feed(self, data: bytes) -> list[Event]:
        """The events that these bytes complete. Raises ``MultipartError``."""
        try:
            self._parser.write(data)
        except FormParserError as error:
            raise MultipartError(str(error)) from error
        events, self._events = self._events, []
        return events

    def _begin(self) -> None:
        self._parts += 1
        if self._parts > PARTS_MOST:
            raise MultipartError("too many fields")
        self._headers = {}
        self._field = b""

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        self._headers[self._header.lower()] = self._value
        self._header = self._value = b""

    def _headers_finished(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        self._name = options.get(b"name", b"").decode(errors="replace")
        self._is_file = b"filename" in options
        if self._is_file:
            file_name = options[b"filename"].decode(errors="replace")
            self._events.append(FileBegin(self._name, file_name))

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._is_file:
            self._events.append(FileData(bytes(data[start:end])))
            return
        if len(self._field) + end - start > FIELD_MOST:
            raise MultipartError("a field is too long")
        self._field += data[start:end]

    def _end(self) -> None:
        if self._is_file:
            self._events.append(FileEnd())
        else:
            self._events.append(Field(self._name, self._field.decode(errors="replace")))

    def _all(self) -> None:
        self.ended = True
