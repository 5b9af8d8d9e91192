"""Static files: read once, compressed once, addressed by a hash of their content.

The hash stands before the path (``/static/<hash>/app.css``), so modules and style sheets refer to
each other by relative paths and all change address together.
"""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

STATIC = Path(__file__).parent / "static"
IMMUTABLE = "public, max-age=31536000, immutable"
_TEXT_SUFFIXES = frozenset({".css", ".js", ".svg", ".txt", ".json", ".webmanifest"})
_HASH_LENGTH = 12


class _Asset(NamedTuple):
    body: bytes
    compressed: bytes | None
    media_type: str


class Assets:
    """All static files of a folder."""

    def __init__(self, folder: Path = STATIC) -> None:
        digest = hashlib.sha256()
        assets: dict[str, _Asset] = {}
        for path in sorted(folder.rglob("*")):
            if not path.is_file() or path.name.startswith("."):
                continue
            name = path.relative_to(folder).as_posix()
            body = path.read_bytes()
            digest.update(f"{name}\0{len(body)}\0".encode() + body)
            text = path.suffix in _TEXT_SUFFIXES
            compressed = gzip.compress(body, 9, mtime=0) if text else None
            media_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
            assets[name] = _Asset(body, compressed, media_type)
        self._assets: Mapping[str, _Asset] = assets
        self.version = digest.hexdigest()[:_HASH_LENGTH]

    def url(self, name: str) -> str:
        """Address of a file; ``KeyError`` when it does not exist."""
        self._assets[name]
        return f"/static/{self.version}/{name}"

    async def serve(self, request: Request) -> Response:
        """``GET /static/{version}/{name}``; another version's address answers, uncached."""
        asset = self._assets.get(request.path_params["name"])
        if asset is None:
            raise HTTPException(404)
        current = request.path_params["version"] == self.version
        headers = {
            "Cache-Control": IMMUTABLE if current else "no-cache",
            "Vary": "Accept-Encoding",
        }
        body = asset.body
        if asset.compressed is not None and "gzip" in request.headers.get("accept-encoding", ""):
            body = asset.compressed
            headers["Content-Encoding"] = "gzip"
        return Response(body, media_type=asset.media_type, headers=headers)
