"""How adoption is said: tabs, columns of a list, verdicts, windows, scans."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from app.domain.adoption import WindowScope
from app.services.lan_scan import ScanPhase
from app.services.station_import import Verdict
from app.web.i18n import N_

TABS: Sequence[tuple[str, str]] = (
    ("/stations/new", N_("Inbox")),
    ("/stations/list", N_("Expected stations")),
    ("/stations/scan", N_("Network search")),
    ("/stations/sheets", N_("Sheets")),
)
"""The pages of new stations."""


class VerdictWords(NamedTuple):
    """A verdict in a word, its icon, and its tone (CSS)."""

    label: str
    icon: str
    tone: str


VERDICTS: Mapping[Verdict, VerdictWords] = {
    Verdict.NEW: VerdictWords(N_("to add"), "plus", "charge"),
    Verdict.CHANGED: VerdictWords(N_("to change"), "edit", "wait"),
    Verdict.UNCHANGED: VerdictWords(N_("no change"), "check", "idle"),
    Verdict.REJECTED: VerdictWords(N_("left out"), "alert", "bad"),
}

COLUMNS: Mapping[str, str] = {
    "identity": N_("Identity"),
    "serial": N_("Serial number"),
    "name": N_("Name"),
    "place": N_("Place"),
    "circuit": N_("Circuit"),
    "max": N_("Max A"),
    "phases": N_("Phases"),
    "rotation": N_("Rotation"),
    "adopt": N_("Adoption"),
}
"""Of an imported list, in the order of the template; the last is an option of the whole list."""

COLUMN_NOTES: Mapping[str, str] = {
    "identity": N_("as set in the station; the last part of its OCPP address"),
    "serial": N_("as on its label; one of the two is enough"),
    "name": N_("as written on the station"),
    "place": N_("parking space, level"),
    "circuit": N_("by its name; empty: the one chosen on this page"),
    "max": N_("6 to 125; empty: what is known of the model"),
    "phases": N_("1 or 3; empty: 3"),
    "rotation": N_("RST to TSR, or the phase of a single-phase outlet (L2)"),
}

SCOPES: Mapping[WindowScope, str] = {
    WindowScope.LISTED: N_("expected stations only"),
    WindowScope.ALL: N_("every new station"),
}

SECURITY: Mapping[tuple[int, bool], str] = {
    (0, False): N_("not encrypted, no password (profile 0)"),
    (0, True): N_("encrypted (TLS), no password"),
    (1, False): N_("not encrypted, password (profile 1)"),
    (2, True): N_("encrypted (TLS), password (profile 2)"),
    (3, True): N_("encrypted (TLS), certificate of the station (profile 3)"),
}
"""By security profile of OCPP 1.6 and whether the address is one over TLS."""

SCAN_ENDS: Mapping[ScanPhase, str] = {
    ScanPhase.DONE: N_("Finished at %(time)s."),
    ScanPhase.CANCELLED: N_("Ended by hand at %(time)s."),
    ScanPhase.OVERDUE: N_("Ended at %(time)s: it took too long."),
    ScanPhase.FAILED: N_("Failed at %(time)s: the network could not be asked."),
}
