"""The secret behind the stations' keys: a file of its own beside the database, for its owner only.

The database alone gives no key away. A backup carries both, encrypted: a box that takes the place
of this one must know its stations.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import logging
import secrets
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from app.adapters.durable import write_whole

log = logging.getLogger(__name__)

VAULT_FILE: Final = "stations.secret"
_SECRET_BYTES: Final = 32
_NONCE_BYTES: Final = 12


class StationVault:
    """Implements ``KeyVault``."""

    def __init__(self, directory: Path) -> None:
        """Reads the secret, or makes it. Raises ``OSError``."""
        secret = _read_or_make(directory / VAULT_FILE)
        self._verifying = hmac.digest(secret, b"verify", "sha256")
        self._sealing = AESGCM(hmac.digest(secret, b"seal", "sha256"))

    def verifier(self, station_id: str, key: bytes) -> str:
        """HMAC-SHA-256 over the station and the key, in hexadecimal."""
        station = hashlib.sha256(station_id.encode()).digest()
        return hmac.digest(self._verifying, station + key, "sha256").hex()

    def seal(self, station_id: str, key: bytes) -> str:
        """AES-256-GCM: nonce, then cipher text and tag, in Base64."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = nonce + self._sealing.encrypt(nonce, key, station_id.encode())
        return base64.b64encode(sealed).decode("ascii")

    def unseal(self, station_id: str, sealed: str) -> bytes | None:
        """The key, ``None`` when another secret, or another station's name, has sealed it."""
        try:
            raw = base64.b64decode(sealed, validate=True)
            nonce, body = raw[:_NONCE_BYTES], raw[_NONCE_BYTES:]
            return self._sealing.decrypt(nonce, body, station_id.encode())
        except (binascii.Error, InvalidTag, ValueError):
            return None


def _read_or_make(path: Path) -> bytes:
    try:
        secret = bytes.fromhex(path.read_text(encoding="ascii"))
        if len(secret) == _SECRET_BYTES:
            return secret
    except FileNotFoundError:
        pass
    except ValueError:
        log.exception("%s cannot be read; the stations' keys will not be known any more", path.name)
    else:
        log.error("%s is cut short; the stations' keys will not be known any more", path.name)
    secret = secrets.token_bytes(_SECRET_BYTES)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_whole(path, secret.hex().encode("ascii"), 0o600)
    return secret
