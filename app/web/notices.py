"""Short confirmations shown at the top of a page after something was done."""

from __future__ import annotations

from collections.abc import Mapping

from app.web.i18n import N_

NOTICES: Mapping[str, str] = {
    "badge-saved": N_("Badge saved."),
    "badge-removed": N_("Badge deleted."),
    "badge-blocked": N_("Badge blocked: it can no longer start a charge."),
    "badge-unblocked": N_("Badge allowed again."),
    "station-saved": N_("Station saved."),
    "station-removed": N_("Station removed."),
    "station-adopted": N_("Station adopted."),
    "stations-adopted": N_("Stations adopted."),
    "station-ignored": N_("This caller is ignored from now on."),
    "station-blocked": N_("This caller is blocked: it cannot connect any more."),
    "station-allowed": N_("This caller may ask again."),
    "window-opened": N_("The commissioning window is open."),
    "window-closed": N_("The commissioning window is closed."),
    "stations-listed": N_("List imported."),
    "stations-unlisted": N_("Expected stations removed."),
    "scan-cancelled": N_("Search ended."),
    "start-sent": N_("The station accepted the start."),
    "stop-sent": N_("The station accepted the stop."),
    "reset-sent": N_("The station accepted the restart."),
    "circuit-saved": N_("Circuit saved."),
    "circuit-moved": N_("Circuit moved."),
    "circuit-removed": N_("Circuit removed."),
    "meter-saved": N_("Meter saved."),
    "meter-removed": N_("Meter removed."),
    "sharing-saved": N_("Sharing saved; it holds from now on."),
    "rule-removed": N_("Rule removed."),
    "outside-limit-set": N_("Limit set; it holds from now on."),
    "outside-limit-ended": N_("Limit ended."),
    "token-revoked": N_("Token revoked: it opens nothing any more."),
    "phases-accepted": N_("Rotation saved."),
    "phases-dismissed": N_("Proposal dismissed: it is not shown again."),
    "meter-trusted": N_("The meter is judged anew from now on."),
    "site-saved": N_("Site saved."),
    "password-changed": N_("Password changed. Other browsers were signed out."),
}
