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
    "quirk-saved": N_("Saved; it holds from now on."),
    "stop-attached": N_("The stop is the end of that session now."),
    "stop-dismissed": N_("Stop dismissed."),
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
    "security-required": N_("Required from now on."),
    "security-wanted": N_("The change is under way."),
    "security-dismissed": N_("Marked as seen."),
    "key-typed": N_("Key saved: it opens from now on."),
    "key-taken": N_("Key taken: it opens from now on."),
    "key-withdrawn": N_("Key withdrawn: it opens nothing any more."),
    "certificate-asked": N_("The station was asked for a request."),
    "certificate-revoked": N_("Certificate revoked."),
    "root-installed": N_("The station has installed the root."),
    "root-deleted": N_("The station has deleted that root."),
    "stations-security-saved": N_("Security of stations saved."),
    "site-saved": N_("Site saved."),
    "password-changed": N_("Password changed. Other browsers were signed out."),
}
