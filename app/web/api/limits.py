"""``/api/limits``: limits that a program sets for a while, with a token.

``PUT /api/limits/{circuit_id}`` takes ``{"limit_a": 32 | [32, 32, 16] | null, "power_kw": 20 | null,
"scope": "all" | "charging", "minutes": 15}``; without a current and a power it only says that the
sender is alive. ``DELETE`` ends what the same token has ordered; ``GET /api/limits`` tells all.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Annotated, Any

import msgspec
from starlette.responses import JSONResponse, Response

from app.domain.errors import AccessDeniedError, BornierError, InvalidInputError
from app.domain.limits import CircuitCap
from app.domain.outside_limit import OutsideOrder, SiteToken
from app.domain.rules import LimitScope
from app.domain.units import PhaseCurrents
from app.services.site_rules import Amperes, bound_of
from app.web.http import STATUS_OF, Handler, Visit

MOST_MINUTES = 24 * 60
_BEARER = "bearer "


class _Order(msgspec.Struct, forbid_unknown_fields=True):
    minutes: Annotated[int, msgspec.Meta(ge=1, le=MOST_MINUTES)]
    limit_a: Amperes | None = None
    power_kw: float | None = None
    scope: LimitScope = LimitScope.ALL


def for_programs(handler: Callable[[Visit, SiteToken], Awaitable[Response]]) -> Handler:
    """``handler`` behind a token; what is refused is told in JSON."""

    @functools.wraps(handler)
    async def answer(visit: Visit) -> Response:
        try:
            return await handler(visit, _token(visit))
        except BornierError as error:
            return _refusal(visit, error)

    return answer


@for_programs
async def limits(visit: Visit, token: SiteToken) -> Response:  # noqa: ARG001
    """The orders, whoever gave them, and every limit in force on a circuit."""
    services = visit.services
    now_utc = services.clock.utc_now()
    ruling = services.rules.ruling(now_utc, services.clock.monotonic_s())
    return JSONResponse(
        {
            "at": now_utc.isoformat(),
            "orders": [_order(order) for order in services.external.orders()],
            "in_force": [_cap(cap) for cap in ruling.caps],
        }
    )


@for_programs
async def put_limit(visit: Visit, token: SiteToken) -> Response:
    """Sets or renews the token's limit on a circuit; it is on disk when this answers."""
    try:
        sent = msgspec.json.decode(await visit.request.body(), type=_Order)
    except msgspec.DecodeError as error:
        raise InvalidInputError("limit-unreadable", detail=str(error)) from error
    order = await visit.services.external.order(
        visit.request.path_params["circuit_id"],
        bound_of(sent.limit_a, sent.power_kw, sent.scope, "limit_a"),
        timedelta(minutes=sent.minutes),
        source=token.token_id,
        by=token.name,
    )
    return JSONResponse(_order(order))


@for_programs
async def delete_limit(visit: Visit, token: SiteToken) -> Response:
    """Ends the token's limit on a circuit now."""
    circuit_id = visit.request.path_params["circuit_id"]
    await visit.services.external.end(circuit_id, token.token_id, token.name)
    return Response(status_code=204)


def _token(visit: Visit) -> SiteToken:
    header = visit.request.headers.get("authorization", "")
    secret = header[len(_BEARER) :].strip() if header.lower().startswith(_BEARER) else ""
    client = visit.request.client
    return visit.services.tokens.authenticate(secret, "" if client is None else client.host)


def _refusal(visit: Visit, error: BornierError) -> Response:
    status = STATUS_OF.get(type(error), 500)
    headers = {}
    if isinstance(error, AccessDeniedError):
        status, headers = 401, {"WWW-Authenticate": "Bearer"}
        if error.key == "token-too-many":
            status, headers = 429, {"Retry-After": str(error.params["wait_s"])}
    told = {"error": error.key, "message": visit.say(error)}
    return JSONResponse(told, status_code=status, headers=headers)


def _order(order: OutsideOrder) -> dict[str, Any]:
    return {
        "circuit": order.circuit_id,
        "by": order.by,
        "limit_a": _amperes(order.bound.limit),
        "power_kw": _kilowatts(order.bound.power_w),
        "scope": order.bound.scope.value,
        "set": order.set_utc.isoformat(),
        "until": order.until_utc.isoformat(),
        "lapsed": order.lapsed,
    }


def _cap(cap: CircuitCap) -> dict[str, Any]:
    return {
        "circuit": cap.circuit_id,
        "source": cap.source.value,
        "limit_a": _amperes(cap.limit),
        "power_kw": _kilowatts(cap.power_w),
        "charging_a": _amperes(cap.charging),
        "charging_kw": _kilowatts(cap.charging_power_w),
    }


def _amperes(currents: PhaseCurrents | None) -> list[float] | None:
    return None if currents is None else [current / 1000 for current in currents]


def _kilowatts(power_w: int | None) -> float | None:
    return None if power_w is None else power_w / 1000
