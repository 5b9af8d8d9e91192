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
    "unlock-sent": N_("The station freed the plug."),
    "outage-planned": N_("Planned; the station is told when the time comes."),
    "outage-ended": N_("Cancelled."),
    "set-up-begun": N_("The set-up runs; its steps are on the page of the status."),
    "settings-read": N_("Settings read."),
    "job-cancelled": N_("No further station is begun."),
    "template-saved": N_("Template saved."),
    "template-removed": N_("Template deleted."),
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
