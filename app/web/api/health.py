"""``GET /health``: is the manager ready? For watchdogs and scripts; no account needed."""

from __future__ import annotations

from starlette.responses import JSONResponse, Response

from app.web.http import Visit


async def health(visit: Visit) -> Response:
    """200 when ready, 503 when not; the same checks in both cases."""
    report = visit.services.health.report()
    return JSONResponse(
        {
            "ready": report.ready,
            "version": report.version,
            "uptime_s": round(report.uptime_s, 1),
            "checks": [
                {"name": check.name, "ok": check.ok, "detail": check.detail}
                for check in report.checks
            ],
        },
        status_code=200 if report.ready else 503,
    )
