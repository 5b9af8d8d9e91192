"""``/help``: every trouble with its remedy, and the words used."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.responses import Response

from app.services.live import Severity
from app.web.http import Visit
from app.web.messages import MESSAGES
from app.web.wording import CONFIDENCES


async def page(visit: Visit) -> Response:
    """All troubles by severity, and the glossary."""
    order = [severity.value for severity in Severity]
    troubles = sorted(
        ((key, message) for key, message in MESSAGES.by_key.items() if message.severity),
        key=lambda item: (order.index(item[1].severity), item[0]),
    )
    return visit.render("help.html", troubles=troubles, confidences=CONFIDENCES)


async def error(visit: Visit) -> Response:
    """One trouble: what happened, what it does, what to do, and where it is up now."""
    key = visit.request.path_params["key"]
    message = MESSAGES.by_key.get(key)
    if message is None or not message.severity:
        raise HTTPException(404)
    alarms = [] if visit.site is None else [item for item in visit.site.alarms if item.key == key]
    return visit.render("help_error.html", key=key, message=message, alarms=alarms)
