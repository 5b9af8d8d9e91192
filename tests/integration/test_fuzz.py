"""Mutated frames leave the listener answering, its log quiet and its memory flat."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest

from app.adapters.ocpp_server import _AsgiTransport
from tests.integration.ocpp_listener import listening, raw_handshake
from tests.support.fuzz import fuzz, packed

FRAMES = 20_000


async def test_mutated_frames_leave_the_listener_answering(tmp_path: Path) -> None:
    outcome = await fuzz(FRAMES, seed=7, log=tmp_path / "listener.log")
    assert outcome.faults == []
    assert outcome.frames >= FRAMES
    assert outcome.heartbeats_answered > 100
    assert outcome.cuts > 0


async def test_a_server_that_has_closed_by_itself_is_a_lost_connection() -> None:
    async def nothing() -> Any:
        raise AssertionError("nobody listens")

    async def closed(message: Any) -> None:
        raise RuntimeError(f"Unexpected ASGI message {message['type']!r}")  # as uvicorn says it

    transport = _AsgiTransport(nothing, closed)
    with pytest.raises(ConnectionError, match="Unexpected"):
        await transport.send("[]")
    with pytest.raises(ConnectionError, match="Unexpected"):
        await transport.close(1000, "")


async def test_a_text_in_latin_1_does_not_end_the_connection() -> None:
    async with listening() as (listener, recorder):
        reader, writer = await raw_handshake(listener)
        status = (
            '[2,"1","StatusNotification",{"connectorId":1,"errorCode":"OtherError",'
            '"status":"Faulted","info":"défaut"}]'
        )
        writer.write(packed(status.encode("latin-1")))
        assert b'[3,"1",{}]' in await reader.readuntil(b"]")
        assert [request.info for request in recorder.handled] == ["défaut"]
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
