"""The pages of one station, in the order of their tabs."""

from __future__ import annotations

from typing import Final

from app.web.i18n import N_

STATION_TABS: Final[tuple[tuple[str, str], ...]] = (
    ("", N_("Status")),
    ("/configuration", N_("Configuration")),
    ("/profiles", N_("Profiles")),
    ("/actions", N_("Actions")),
    ("/security", N_("Security")),
    ("/files", N_("Files")),
    ("/frames", N_("Frames")),
    ("/messages", N_("Messages")),
    ("/history", N_("History")),
)
"""End of the address (behind ``/stations/{id}``) and name of each."""
