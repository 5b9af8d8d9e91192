"""Forms with files, piece by piece."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.services.multipart import (
    Field,
    FileBegin,
    FileData,
    FileEnd,
    MultipartError,
    MultipartReader,
    boundary_of,
)

BODY = (
    b'--b\r\nContent-Disposition: form-data; name="csrf"\r\n\r\nt\xc3\xa9\r\n'
    b'--b\r\nContent-Disposition: form-data; name="file"; filename="x y.bin"\r\n'
    b"Content-Type: application/octet-stream\r\n\r\n\x00\r\n--not the end\r\n\r\n--b--\r\n"
)


@given(st.lists(st.integers(1, len(BODY) - 1), max_size=6).map(sorted))
def test_wherever_it_is_cut_the_same_comes_out(cuts: list[int]) -> None:
    reader = MultipartReader(b"b")
    events = []
    for start, end in zip([0, *cuts], [*cuts, len(BODY)], strict=True):
        events += reader.feed(BODY[start:end])
    assert reader.ended
    assert events[:2] == [Field("csrf", "té"), FileBegin("file", "x y.bin")]
    assert events[-1] == FileEnd()
    data = b"".join(event.data for event in events if isinstance(event, FileData))
    assert data == b"\x00\r\n--not the end\r\n"


def test_a_body_that_is_cut_off_has_not_ended() -> None:
    reader = MultipartReader(b"b")
    reader.feed(BODY[:-9])
    assert not reader.ended


def test_what_is_no_form() -> None:
    with pytest.raises(MultipartError):
        MultipartReader(b"b").feed(b"hello")
    for header in ("text/plain", "multipart/form-data", ""):
        with pytest.raises(MultipartError):
            boundary_of(header)
    with pytest.raises(MultipartError):
        MultipartReader(b"b" * 1000)
    assert boundary_of('multipart/form-data; boundary="b c"') == b"b c"


def test_fields_have_bounds() -> None:
    head = b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n'
    with pytest.raises(MultipartError, match="too long"):
        MultipartReader(b"b").feed(head + b"x" * 20_000 + b"\r\n--b--")
    with pytest.raises(MultipartError, match="too many"):
        MultipartReader(b"b").feed((head + b"x\r\n") * 40)
