"""``/settings/offline-badges``: who may charge while the manager is away, and what stations hold."""

from __future__ import annotations

from starlette.responses import Response

from app.domain.local_list import OfflineBadges
from app.web.file_words import LIST_TROUBLES
from app.web.http import Visit

HERE = "/settings/offline-badges"


async def page(visit: Visit) -> Response:
    """The policy and every station's list."""
    services = visit.services
    lists = services.files.local_lists
    stations = services.stations.configuration()
    rows = [(station, lists.held(station.station_id)) for station in stations]
    return visit.render(
        "offline_badges.html",
        policy=lists.policy,
        rows=rows,
        online={each.station_id: services.stations.is_online(each.station_id) for each in stations},
        current={each.station_id: lists.is_current(each.station_id) for each in stations},
        troubles=LIST_TROUBLES,
        badges=sum(badge.known for badge in services.badges.list()),
        now=services.clock.utc_now(),
    )


async def save(visit: Visit) -> Response:
    """Changes the policy."""
    form = await visit.form()
    policy = OfflineBadges(allowed=form.checked("allowed"), unknown=form.checked("unknown"))
    await visit.services.files.local_lists.decide(policy, visit.actor)
    return visit.redirect(HERE, "offline-badges-saved")


async def resend(visit: Visit) -> Response:
    """Sends a station its list anew."""
    form = await visit.form()
    station_id = form["station"]
    visit.services.stations.is_online(station_id)  # refuses one that is no station
    await visit.services.files.local_lists.resend(station_id, visit.actor)
    return visit.redirect(HERE, "list-resent")
