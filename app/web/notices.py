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
    "firmware-added": N_("Firmware received."),
    "firmware-removed": N_("Firmware deleted."),
    "campaign-created": N_("Campaign started."),
    "campaign-pause": N_("Paused: no further station begins; those under way go on."),
    "campaign-resume": N_("The campaign goes on."),
    "campaign-cancel": N_("Cancelled: no further station begins; those under way go on."),
    "campaign-retry": N_("The failed stations are tried again."),
    "diagnostics-asked": N_("Asked. What comes appears here."),
    "file-removed": N_("File deleted."),
    "offline-badges-saved": N_("Saved. The stations are brought up to date now."),
    "list-resent": N_("The list is sent anew."),
    "site-saved": N_("Site saved."),
    "password-changed": N_("Password changed. Other browsers were signed out."),
}
