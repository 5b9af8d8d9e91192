"""Files that pass between the manager and stations: firmware to them, diagnostics from them."""

from __future__ import annotations

import enum
import unicodedata
from collections.abc import Collection
from datetime import datetime

import msgspec

NAME_MOST = 80
"""Characters of a file's name that are kept."""

UNNAMED = "file"


class Scheme(enum.StrEnum):
    """How a station reaches the drop; the value is that of its URL."""

    HTTP = "http"
    HTTPS = "https"
    FTP = "ftp"


USUAL_ORDER = (Scheme.HTTP, Scheme.FTP, Scheme.HTTPS)
"""Tried in this order where a station does not tell what it can: a certificate of our own, which
it may not know, comes last."""


class FirmwareFile(msgspec.Struct, frozen=True):
    """A firmware as uploaded; what it is for is a note of who uploaded it.

    ``signature`` (base64) and ``certificate`` (PEM) are the maker's, empty without.
    """

    file_id: str
    name: str
    size: int
    sha256: str
    vendor: str
    model: str
    version: str
    added_utc: datetime
    added_by: str
    note: str = ""
    signature: str = ""
    certificate: str = ""

    @property
    def signed(self) -> bool:
        """Whether stations can check where it comes from."""
        return bool(self.signature and self.certificate)


class LogKind(enum.StrEnum):
    """What a station is asked for; the last two need the security extension (LogEnumType)."""

    DIAGNOSTICS = "diagnostics"
    DIAGNOSTICS_LOG = "DiagnosticsLog"
    SECURITY_LOG = "SecurityLog"


class RequestState(enum.StrEnum):
    """Where a request for diagnostics stands."""

    ASKED = "asked"
    UPLOADING = "uploading"
    UPLOADED = "uploaded"
    NOTHING = "nothing"
    """The station has nothing to upload (GetDiagnostics.conf without a name)."""
    REFUSED = "refused"
    FAILED = "failed"
    TIMED_OUT = "timed-out"
    UNREACHABLE = "unreachable"

    @property
    def open(self) -> bool:
        """Whether something may still come."""
        return self in (RequestState.ASKED, RequestState.UPLOADING)


class DiagnosticsRequest(msgspec.Struct, frozen=True):
    """One request to one station; ``reason`` quotes the station where it refused or failed."""

    request_id: int
    station_id: str
    kind: LogKind
    state: RequestState
    asked_utc: datetime
    asked_by: str
    changed_utc: datetime
    tried: tuple[Scheme, ...] = ()
    order_id: str = ""
    told_name: str = ""
    """The name that the station announced."""
    reason: str = ""


class UploadedFile(msgspec.Struct, frozen=True):
    """What a station has left; ``complete`` is false where the connection broke before the end."""

    file_id: str
    request_id: int
    station_id: str
    name: str
    size: int
    received_utc: datetime
    complete: bool = True


def safe_name(name: str) -> str:
    """A file's name without anything that a path, a header or a terminal could stumble over.

    Only the last segment is kept, of either kind of separator. Never empty, never hidden.
    """
    last = name.replace("\\", "/").rsplit("/", maxsplit=1)[-1]
    plain = unicodedata.normalize("NFC", last)
    kept = "".join(
        each if each.isalnum() or each in " ._-+()@" else "_"
        for each in plain
        if each.isprintable()
    )
    kept = kept.strip(" .")
    if len(kept) > NAME_MOST:
        # The end of a name tells its kind.
        stem, dot, suffix = kept.rpartition(".")
        tail = dot + suffix[:12] if stem else ""
        kept = (stem or kept)[: NAME_MOST - len(tail)] + tail
    return kept or UNNAMED


def schemes_for(
    listed: str | None, worked: Scheme | None, available: Collection[Scheme]
) -> tuple[Scheme, ...]:
    """What to try at a station, the best first.

    ``listed`` is its SupportedFileTransferProtocols (security whitepaper), ``worked`` what has
    worked at its model before, ``available`` what this manager offers.
    """
    order: tuple[Scheme, ...] = USUAL_ORDER
    if listed:
        # A station that can do without plain text shall.
        told = {word.strip().lower() for word in listed.split(",")}
        safest = (Scheme.HTTPS, Scheme.HTTP, Scheme.FTP)
        order = tuple(scheme for scheme in safest if scheme.value in told) or USUAL_ORDER
    if worked in order:
        order = (worked, *(scheme for scheme in order if scheme is not worked))
    return tuple(scheme for scheme in order if scheme in available)
