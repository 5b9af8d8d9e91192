"""Words for what becomes of files: stages of updates, states of campaigns and requests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from app.domain.campaign import CampaignState, Stage, Why
from app.domain.station_files import LogKind, RequestState, Scheme
from app.services.diagnostics import NOTHING_ARRIVED
from app.web.i18n import N_


class Word(NamedTuple):
    """A state: its label, its icon, its tone."""

    label: str
    icon: str
    tone: str = ""


STAGES: Final[Mapping[Stage, Word]] = {
    Stage.WAITING: Word(N_("waits"), "hourglass"),
    Stage.TOLD: Word(N_("told"), "share", "charge"),
    Stage.DOWNLOADING: Word(N_("downloads"), "download", "charge"),
    Stage.DOWNLOADED: Word(N_("downloaded"), "download", "charge"),
    Stage.INSTALLING: Word(N_("installs"), "gear", "charge"),
    Stage.INSTALLED: Word(N_("installed, restart to come"), "gear", "charge"),
    Stage.REBOOTED: Word(N_("restarted"), "restart", "charge"),
    Stage.VERIFIED: Word(N_("verified"), "check", "free"),
    Stage.FAILED: Word(N_("failed"), "alert", "bad"),
    Stage.TIMED_OUT: Word(N_("no news"), "clock", "bad"),
    Stage.CANCELLED: Word(N_("cancelled"), "ban"),
}

CAMPAIGNS: Final[Mapping[CampaignState, Word]] = {
    CampaignState.RUNNING: Word(N_("under way"), "play", "charge"),
    CampaignState.PAUSED: Word(N_("paused"), "pause", "wait"),
    CampaignState.STOPPED: Word(N_("stopped: too many failures"), "alert", "bad"),
    CampaignState.CANCELLED: Word(N_("cancelled"), "ban"),
    CampaignState.DONE: Word(N_("done"), "check", "free"),
}

WHY: Final[Mapping[Why, str]] = {
    Why.SAME_VERSION: N_("It came back with the firmware it had."),
    Why.ALREADY: N_("It had this version already."),
    Why.DOWNLOAD: N_("It could not download the file."),
    Why.INSTALLATION: N_("It could not install the file."),
    Why.SIGNATURE: N_("It does not accept the signature."),
    Why.REFUSED: N_("It refused the order."),
    Why.SILENT: N_("Nothing was heard of it in time."),
    Why.FILE_GONE: N_("The file was deleted."),
    Why.REMOVED: N_("The station was removed."),
}

REQUESTS: Final[Mapping[RequestState, Word]] = {
    RequestState.ASKED: Word(N_("asked"), "share", "charge"),
    RequestState.UPLOADING: Word(N_("uploads"), "up", "charge"),
    RequestState.UPLOADED: Word(N_("received"), "check", "free"),
    RequestState.NOTHING: Word(N_("nothing to upload"), "info"),
    RequestState.REFUSED: Word(N_("refused"), "ban", "bad"),
    RequestState.FAILED: Word(N_("failed"), "alert", "bad"),
    RequestState.TIMED_OUT: Word(N_("no news"), "clock", "bad"),
    RequestState.UNREACHABLE: Word(N_("not connected"), "unlink", "bad"),
}

REASONS: Final[Mapping[str, str]] = {
    NOTHING_ARRIVED: N_("It says that it has uploaded, but nothing came."),
    "files-ftp-closed": N_("The FTP port could not be opened."),
    "files-unavailable": N_("This manager has no place for files of stations."),
}

LOG_KINDS: Final[Mapping[LogKind, str]] = {
    LogKind.DIAGNOSTICS: N_("Diagnostics"),
    LogKind.DIAGNOSTICS_LOG: N_("Diagnostics log (security extension)"),
    LogKind.SECURITY_LOG: N_("Security log (security extension)"),
}

SCHEMES: Final[Mapping[Scheme, str]] = {
    Scheme.HTTP: "HTTP",
    Scheme.HTTPS: "HTTPS",
    Scheme.FTP: "FTP",
}

LIST_TROUBLES: Final[Mapping[str, str]] = {
    "list-none": N_("keeps no list"),
    "list-failed": N_("refused the list"),
}
