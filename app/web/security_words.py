"""Words of the stations' security: profiles, refusals, set-backs."""

from __future__ import annotations

from collections.abc import Mapping

from app.domain.station_security import Refusal, SecurityProfile, Setback, Strangers
from app.web.i18n import N_

PROFILES: Mapping[SecurityProfile, tuple[str, str]] = {
    SecurityProfile.OPEN: (
        N_("Nothing required"),
        N_("Whoever knows the identity may speak in its name. For a network of its own."),
    ),
    SecurityProfile.KEY: (
        N_("Key"),
        N_("The station shows its key, which crosses the network in clear."),
    ),
    SecurityProfile.TLS_KEY: (
        N_("TLS and key"),
        N_("Encrypted; the station knows this box by the root certificate and shows its key."),
    ),
    SecurityProfile.CERTIFICATE: (
        N_("TLS and certificate"),
        N_("Encrypted; both sides show a certificate. No key is needed."),
    ),
}
"""Name, and what it means."""

REFUSALS: Mapping[Refusal, str] = {
    Refusal.NO_KEY: N_("no key"),
    Refusal.WRONG_KEY: N_("wrong key"),
    Refusal.WRONG_USER: N_("another user name"),
    Refusal.UNREADABLE: N_("unreadable credentials"),
    Refusal.PLAIN: N_("without TLS"),
    Refusal.NO_CERTIFICATE: N_("no certificate"),
    Refusal.OTHER_CERTIFICATE: N_("another's certificate"),
    Refusal.REVOKED: N_("revoked certificate"),
    Refusal.EXPIRED: N_("expired certificate"),
    Refusal.STRANGER: N_("unknown station"),
    Refusal.TOO_MANY: N_("too many attempts"),
}

SETBACKS: Mapping[Setback, tuple[str, str]] = {
    Setback.KEY_REFUSED: (
        N_("The station does not take a key from here."),
        N_("Type the same key in both: in the station, and below."),
    ),
    Setback.PROFILE_REFUSED: (
        N_("The station does not take this protection."),
        N_("It goes on as before. Its manual may say what it needs first."),
    ),
    Setback.CERTIFICATE_REFUSED: (
        N_("The station got no certificate."),
        N_("It goes on as before."),
    ),
    Setback.BY_HAND: (
        N_("The station cannot be switched from here."),
        N_(
            "Set the address that begins with wss:// in the station itself. Once it comes that"
            " way, the protection is required; until then it may come as before."
        ),
    ),
    Setback.NOT_BACK: (
        N_("The station accepted, and did not come back in the new way."),
        N_("It goes on as before. It may not trust the root certificate, or not reach the port."),
    ),
}
"""What happened, and what follows."""

STRANGERS: Mapping[Strangers, tuple[str, str]] = {
    Strangers.ANY: (N_("May knock"), N_("They wait under New stations to be adopted.")),
    Strangers.TLS: (N_("May knock over TLS"), N_("Without TLS they are turned away.")),
    Strangers.NONE: (
        N_("Are turned away"),
        N_("New stations have to be entered by hand before they connect."),
    ),
}
"""Name, and what it means."""
