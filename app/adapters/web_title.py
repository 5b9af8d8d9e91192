"""The title of a device's web page, read with the least effort: one request, few bytes, one second.

The page is that of an unknown device, and anybody may have written it.
"""

from __future__ import annotations

import asyncio
import codecs
import html
import re
import ssl
from typing import Final

MOST_BYTES: Final = 16 * 1024
MOST_TITLE: Final = 80
PATIENCE_S: Final = 1.0

_TITLE: Final = re.compile(r"<title[^>]*>(.{0,400}?)</title", re.IGNORECASE | re.DOTALL)
_CHARSET: Final = re.compile(rb"charset=[\"']?([a-zA-Z0-9._-]{2,20})", re.IGNORECASE)


def any_certificate() -> ssl.SSLContext:
    """TLS that takes every certificate: the page is looked at, not trusted."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def read_title(address: str, port: int, tls: ssl.SSLContext | None) -> str | None:
    """The title of the page at ``/``, empty when it has none; ``None`` when no page was answered."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            answer = await _ask(address, port, tls)
    except (OSError, TimeoutError):
        return None
    return title_of(answer)


async def _ask(address: str, port: int, tls: ssl.SSLContext | None) -> bytes:
    reader, writer = await asyncio.open_connection(address, port, ssl=tls, limit=MOST_BYTES)
    try:
        writer.write(f"GET / HTTP/1.0\r\nHost: {address}\r\nConnection: close\r\n\r\n".encode())
        answer = b""
        try:
            while len(answer) < MOST_BYTES:
                part = await reader.read(MOST_BYTES - len(answer))
                if not part:
                    break
                answer += part
                if b"</title" in answer.lower():
                    break
        except OSError:
            if not answer:  # many devices end the connection harshly after their page
                raise
        return answer
    finally:
        writer.transport.abort()


def title_of(answer: bytes) -> str | None:
    """The title in an HTTP answer; ``None`` for what is no HTTP."""
    if not answer.startswith(b"HTTP/"):
        return None
    named = _CHARSET.search(answer)
    try:
        encoding = codecs.lookup("utf-8" if named is None else named[1].decode()).name
        text = answer.decode(encoding, errors="replace")
    except (LookupError, UnicodeError):
        text = answer.decode("latin-1")
    found = _TITLE.search(text)
    if found is None:
        return ""
    title = " ".join(html.unescape(found[1]).split())
    return "".join(character for character in title if character.isprintable())[:MOST_TITLE]
