"""How a station takes its limits and follows them, in words."""

from __future__ import annotations

from collections.abc import Mapping

from app.domain.capability import LeaseTrust, LimitPurpose, ProfileForm
from app.domain.station import RateUnit
from app.services.ladder import Rung
from app.services.safety import StationConduct
from app.web.i18n import N_, NARROW_SPACE, Language

UNITS: Mapping[RateUnit, str] = {
    RateUnit.AMPERES: N_("in amperes"),
    RateUnit.WATTS: N_("in watts"),
}

PURPOSES: Mapping[LimitPurpose, str] = {
    LimitPurpose.TRANSACTION: N_("for the running charge"),
    LimitPurpose.DEFAULT: N_("for every charge of the connector"),
    LimitPurpose.STATION: N_("for the whole station"),
}

LEASES: Mapping[LeaseTrust, str] = {
    LeaseTrust.UNKNOWN: N_("not proven yet: the last limit stays reserved while it is offline"),
    LeaseTrust.HONOURED: N_("yes, it returns to its fallback current"),
    LeaseTrust.IGNORED: N_("no: the last limit stays reserved while it is offline"),
}

RUNGS: Mapping[Rung, str] = {
    Rung.BUDGETED: N_("does not follow its limit; counted with what it draws"),
    Rung.OTHER_FORM: N_("does not follow its limit; another form of it is being tried"),
    Rung.STOPPED: N_("did not follow its limit where current is short: its charge was ended"),
    Rung.BLOCKED: N_("taken out of service until there is room for it"),
    Rung.HELPLESS: N_("out of service, and it still draws current"),
}


def facts(conduct: StationConduct, language: Language) -> list[tuple[str, str]]:
    """Terms and what is known of each, for a list of definitions; what was never seen is left out."""
    text, known = language.text, conduct.capability
    rows = [(text(N_("Takes limits")), _form(conduct, known.live, language))]
    rows.append((text(N_("Limits end by themselves")), text(LEASES[known.lease])))
    if not conduct.leasable:
        away = language.duration(abs(conduct.clock_skew_s))
        said = text(N_("off by %(away)s: limits have no end until it is set"), away=away)
        rows.append((text(N_("Clock")), said))
    if known.lowest_ma is not None:
        rows.append((text(N_("Lowest current followed")), language.amperes(known.lowest_ma)))
    if known.resumes is not None:
        resumes = text(N_("yes")) if known.resumes else text(N_("not seen to"))
        rows.append((text(N_("Cars resume after a pause")), resumes))
    if known.acceptance_s is not None:
        rows.append((text(N_("Usual time to accept")), _seconds(known.acceptance_s, language)))
    if known.comply_s is not None:
        rows.append((text(N_("Usual time to follow")), _seconds(known.comply_s, language)))
    if known.overshoot_ma is not None:
        rows.append((text(N_("Most drawn above a limit")), language.amperes(known.overshoot_ma)))
    rows.append((text(N_("Limits stored in the last year")), _writes(conduct, language)))
    rows += [
        (text(N_("Connector %(number)s"), number=number), text(RUNGS[rung]))
        for number, rung in sorted(conduct.rungs.items())
    ]
    return rows


def _form(conduct: StationConduct, form: ProfileForm | None, language: Language) -> str:
    if not conduct.follows:
        return language.text(N_("no: its whole rating is reserved"))
    if form is None:
        return language.text(N_("not known before its first charge"))
    unit, purpose = language.text(UNITS[form.unit]), language.text(PURPOSES[form.purpose])
    return f"{unit}, {purpose}"


def _writes(conduct: StationConduct, language: Language) -> str:
    count = language.integer(conduct.writes.last_year)
    if conduct.writes.per_year is None:
        return count
    rate = language.integer(conduct.writes.per_year)
    return language.text(
        N_("%(count)s (%(rate)s a year at the present rate)"), count=count, rate=rate
    )


def _seconds(seconds: float, language: Language) -> str:
    return language.decimal(seconds, 1) + NARROW_SPACE + "s"
