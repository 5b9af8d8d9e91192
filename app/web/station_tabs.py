"""The pages of one station, in the order of their tabs."""

from __future__ import annotations

from typing import Final

from app.web.i18n import N_

STATION_TABS: Final[tuple[tuple[str, str], ...]] = (
    ("", N_("Status")),
    ("/files", N_("Files")),
)
"""End of the address (behind ``/stations/{id}``) and name of each."""
