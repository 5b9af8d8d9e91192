"""The web interface as one Starlette application."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from app.domain.errors import BornierError
from app.services.context import Services
from app.services.firmware import FILE_MOST
from app.web.api.health import health
from app.web.api.limits import delete_limit, limits, put_limit
from app.web.api.session_trace import session_trace
from app.web.api.trace import trace
from app.web.assets import Assets
from app.web.http import Handler, Visit, Web, endpoint, error_page, visit_of
from app.web.live_pages import LiveBoards
from app.web.pages import (
    access,
    badges,
    bulk,
    circuits,
    evidence,
    firmware,
    frames,
    help_pages,
    live,
    messages,
    meters,
    network_scan,
    new_stations,
    offline_badges,
    outside,
    parked,
    phases,
    sessions,
    settings,
    sharing,
    sharing_rules,
    sheets,
    site,
    station,
    station_actions,
    station_configuration,
    station_files,
    station_list,
    station_profiles,
    station_security,
    stations,
    stations_list,
    stations_security,
    templates,
)
from app.web.rendering import Pages
from app.web.security import HEADERS, SecurityHeaders

BODY_MOST = 64 * 1024
"""No form of ours comes near; what is larger is refused before it is read."""

COMPRESS_FROM = 1_000
COMPRESS_LEVEL = 5

ErrorHandler = Callable[[Request, Exception], Awaitable[Response]]


def create_app(services: Services) -> Starlette:
    """All routes over ``services``; meant for an HTTPS server of its own."""
    assets = Assets()
    pages = Pages(assets)
    web = Web(services, pages, LiveBoards(pages, services.adoption.window_left_s))
    app = Starlette(
        routes=_routes(web, assets),
        middleware=[
            Middleware(SecurityHeaders),
            Middleware(GZipMiddleware, minimum_size=COMPRESS_FROM, compresslevel=COMPRESS_LEVEL),
        ],
        exception_handlers={HTTPException: _http_error(web), Exception: _server_error(web)},
        max_body_size=BODY_MOST,
    )
    app.router.redirect_slashes = False  # an address has one spelling
    return app


def _routes(web: Web, assets: Assets) -> list[Route]:
    def get(path: str, handler: Handler, *, public: bool = False, stream: bool = False) -> Route:
        return Route(path, endpoint(web, handler, public=public, stream=stream), methods=["GET"])

    def post(path: str, handler: Handler, *, public: bool = False) -> Route:
        return Route(path, endpoint(web, handler, public=public), methods=["POST"])

    return [
        Route("/static/{version}/{name:path}", assets.serve, methods=["GET"]),
        get("/health", health, public=True),
        get("/api/trace", trace, stream=True),
        get("/api/limits", limits, public=True),
        Route(
            "/api/limits/{circuit_id:path}",
            endpoint(web, put_limit, public=True),
            methods=["PUT"],
        ),
        Route(
            "/api/limits/{circuit_id:path}",
            endpoint(web, delete_limit, public=True),
            methods=["DELETE"],
        ),
        get("/api/sessions/{transaction_id:int}/trace", session_trace, stream=True),
        get("/live/{view:path}", live.live, stream=True),
        get("/sign-in", access.sign_in_page, public=True),
        post("/sign-in", access.sign_in, public=True),
        post("/sign-out", access.sign_out),
        get("/password", access.password_page),
        post("/password", access.change_password),
        post("/language", access.language, public=True),
        post("/theme", access.theme, public=True),
        get("/", site.page),
        get("/stations", stations_list.page),
        get("/stations/bulk", bulk.choose),
        post("/stations/bulk", bulk.start),
        get("/stations/jobs", bulk.jobs),
        get("/stations/jobs/{job_id:int}", bulk.job_page),
        get("/stations/jobs/{job_id:int}/part", bulk.job_part),
        post("/stations/jobs/{job_id:int}/retry", bulk.retry),
        post("/stations/jobs/{job_id:int}/cancel", bulk.cancel),
        get("/stations/templates", templates.page),
        get("/stations/templates/add", templates.add_page),
        post("/stations/templates/add", templates.add),
        get("/stations/templates/{template_id:int}", templates.edit_page),
        post("/stations/templates/{template_id:int}", templates.edit),
        post("/stations/templates/{template_id:int}/remove", templates.remove),
        get("/stations/add", stations.add_page),
        post("/stations/add", stations.add),
        get("/stations/new", new_stations.page),
        post("/stations/new", new_stations.decide),
        post("/stations/new/window", new_stations.set_window),
        get("/stations/list", station_list.page),
        post("/stations/list", station_list.check),
        post("/stations/list/import", station_list.import_list),
        post("/stations/list/remove", station_list.remove),
        get("/stations/list.csv", station_list.template),
        get("/stations/scan", network_scan.page),
        post("/stations/scan", network_scan.command),
        get("/stations/sheets", sheets.page),
        get("/stations/{station_id:path}/sheet", sheets.one),
        get("/stations/{station_id:path}/edit", stations.edit_page),
        post("/stations/{station_id:path}/edit", stations.edit),
        get("/stations/{station_id:path}/remove", stations.remove_page),
        post("/stations/{station_id:path}/remove", stations.remove),
        post("/stations/{station_id:path}/start", station.start),
        post("/stations/{station_id:path}/stop", station.stop),
        post("/stations/{station_id:path}/unlock", station.unlock),
        post("/stations/{station_id:path}/reset", station.reset),
        get("/stations/{station_id:path}/security", station_security.page),
        post("/stations/{station_id:path}/security", station_security.act),
        get("/stations/{station_id:path}/security/roots", station_security.roots_page),
        get("/stations/{station_id:path}/messages", messages.page),
        post("/stations/{station_id:path}/messages", messages.set_quirk),
        get("/stations/{station_id:path}/frames", frames.station_page),
        get("/stations/{station_id:path}/configuration", station_configuration.page),
        post("/stations/{station_id:path}/configuration/read", station_configuration.read),
        get("/stations/{station_id:path}/configuration/change", station_configuration.change_page),
        post("/stations/{station_id:path}/configuration/change", station_configuration.change),
        get("/stations/{station_id:path}/profiles", station_profiles.page),
        post("/stations/{station_id:path}/profiles", station_profiles.schedule),
        get("/stations/{station_id:path}/actions", station_actions.page),
        post("/stations/{station_id:path}/actions", station_actions.command),
        get("/stations/{station_id:path}/history", station_profiles.history),
        get("/stations/{station_id:path}/files", station_files.page),
        post("/stations/{station_id:path}/files", station_files.ask),
        get("/stations/{station_id:path}/files/{file_id}", station_files.download),
        post("/stations/{station_id:path}/files/{file_id}/delete", station_files.remove),
        get("/stations/{station_id:path}", station.page),
        get("/frames", frames.page),
        get("/frames.jsonl", frames.export),
        get("/frames/{frame_id:int}", frames.exchange_page),
        get("/firmware", firmware.page),
        get("/firmware/add", firmware.add_page),
        Route(
            "/firmware/add",
            endpoint(web, firmware.add),
            methods=["POST"],
            max_body_size=FILE_MOST + BODY_MOST,
        ),
        get("/firmware/diagnostics", station_files.many_page),
        post("/firmware/diagnostics", station_files.ask_many),
        get("/firmware/campaigns/add", firmware.campaign_form),
        post("/firmware/campaigns/add", firmware.campaign_add),
        get("/firmware/campaigns/{campaign_id:int}", firmware.campaign_page),
        post("/firmware/campaigns/{campaign_id:int}", firmware.campaign_act),
        get("/firmware/files/{file_id}/remove", firmware.remove_page),
        post("/firmware/files/{file_id}/remove", firmware.remove),
        get("/settings/offline-badges", offline_badges.page),
        post("/settings/offline-badges", offline_badges.save),
        post("/settings/offline-badges/resend", offline_badges.resend),
        get("/sessions", sessions.page),
        get("/sessions/parked", parked.page),
        post("/sessions/parked", parked.decide),
        get("/sessions/{transaction_id:int}", sessions.session_page),
        get("/evidence", evidence.page),
        get("/evidence.csv", evidence.csv),
        get("/badges", badges.page),
        get("/badges/add", badges.add_page),
        post("/badges/add", badges.add),
        get("/badges/{key:path}/edit", badges.edit_page),
        post("/badges/{key:path}/edit", badges.edit),
        post("/badges/{key:path}/block", badges.block),
        get("/badges/{key:path}/remove", badges.remove_page),
        post("/badges/{key:path}/remove", badges.remove),
        get("/settings", settings.page),
        get("/settings/site", settings.site_page),
        post("/settings/site", settings.save_site),
        get("/settings/health", settings.health_page),
        get("/settings/energy", circuits.page),
        get("/settings/energy/add", circuits.add_page),
        post("/settings/energy/add", circuits.add),
        get("/settings/energy/{circuit_id:path}/remove", circuits.remove_page),
        post("/settings/energy/{circuit_id:path}/remove", circuits.remove),
        get("/settings/energy/{circuit_id:path}/attach", circuits.attach_page),
        post("/settings/energy/{circuit_id:path}/attach", circuits.attach),
        post("/settings/energy/{circuit_id:path}/move", circuits.move),
        get("/settings/energy/{circuit_id:path}", circuits.edit_page),
        post("/settings/energy/{circuit_id:path}", circuits.edit),
        get("/settings/sharing", sharing.page),
        post("/settings/sharing/policy", sharing.set_policy),
        post("/settings/sharing/solar", sharing.set_solar),
        get("/settings/sharing/outside", outside.page),
        post("/settings/sharing/outside/set", outside.set_limit),
        post("/settings/sharing/outside/end", outside.end_limit),
        post("/settings/sharing/outside/token", outside.add_token),
        post("/settings/sharing/outside/revoke", outside.revoke_token),
        get("/settings/sharing/{kind}/add", sharing_rules.add_page),
        post("/settings/sharing/{kind}/add", sharing_rules.add),
        get("/settings/sharing/{kind}/{key}", sharing_rules.edit_page),
        post("/settings/sharing/{kind}/{key}", sharing_rules.edit),
        get("/settings/sharing/{kind}/{key}/remove", sharing_rules.remove_page),
        post("/settings/sharing/{kind}/{key}/remove", sharing_rules.remove),
        get("/settings/stations-security", stations_security.page),
        post("/settings/stations-security", stations_security.save),
        get("/settings/stations-security/root.pem", stations_security.root_pem),
        get("/settings/stations-security/root.der", stations_security.root_der),
        get("/settings/phases", phases.page),
        post("/settings/phases", phases.decide),
        get("/settings/meters", meters.page),
        get("/settings/meters/add", meters.add_page),
        post("/settings/meters/add", meters.add),
        get("/settings/meters/{meter_id:path}/remove", meters.remove_page),
        post("/settings/meters/{meter_id:path}/remove", meters.remove),
        get("/settings/meters/{meter_id:path}", meters.edit_page),
        post("/settings/meters/{meter_id:path}", meters.edit),
        get("/help", help_pages.page),
        get("/help/errors/{key}", help_pages.error),
    ]


def _http_error(web: Web) -> ErrorHandler:
    async def answer(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        response = await _in_style(web, request, error.status_code)
        if error.headers:
            response.headers.update(error.headers)
        return response

    return answer


def _server_error(web: Web) -> ErrorHandler:
    async def answer(request: Request, error: Exception) -> Response:  # noqa: ARG001
        response = await _in_style(web, request, 500)
        response.headers.update(HEADERS)  # this answer is made outside of the middleware
        response.headers["Cache-Control"] = "no-store"
        return response

    return answer


async def _in_style(web: Web, request: Request, status: int) -> Response:
    if request.url.path.startswith(("/api/", "/live/", "/static/", "/health")):
        return JSONResponse({"status": status}, status_code=status)
    try:
        visit = await visit_of(web, request)
    except BornierError:  # the trouble itself may be that sessions cannot be read
        visit = Visit(web, request, None, None)
    return error_page(visit, status)
