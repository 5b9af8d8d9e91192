"""``/help``: every trouble with its remedy, and the words used."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.responses import Response

from app.services.live import Severity
from app.web.http import Visit
from app.web.messages import MESSAGES, filled


async def page(visit: Visit) -> Response:
    """All troubles by severity, and the glossary."""
    order = [severity.value for severity in Severity]
    troubles = sorted(
        (order.index(message.severity), key)
        for key, message in MESSAGES.by_key.items()
        if message.severity
    )
    return visit.render(
        "help.html",
        troubles=[
            (key, order[rank], MESSAGES.title(key, {}, visit.language)) for rank, key in troubles
        ],
    )


async def error(visit: Visit) -> Response:
    """One trouble: what happened, what it does, what to do, and where it is up now."""
    key = visit.request.path_params["key"]
    message = MESSAGES.by_key.get(key)
    if message is None or not message.severity:
        raise HTTPException(404)
    up = []
    if visit.site is not None:
        up = [
            MESSAGES.title(key, filled(alarm.params, visit.language, visit.zone), visit.language)
            for alarm in visit.site.alarms
            if alarm.key == key
        ]
    return visit.render(
        "help_error.html",
        key=key,
        severity=message.severity,
        title=MESSAGES.title(key, {}, visit.language),
        effect=MESSAGES.effect(key, {}, visit.language),
        remedy=MESSAGES.remedy(key, {}, visit.language),
        up=up,
    )
