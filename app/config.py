"""Settings of the manager, from the command line and the environment; each key documented here."""

from __future__ import annotations

from pathlib import Path

import msgspec

VERSION = "0.1.0"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Where the manager keeps its data and which ports it opens."""

    data_dir: Path = Path("var")
    """One SQLite file, the certificates and their keys; created when absent."""

    web_host: str = "127.0.0.1"
    """Address of the HTTPS pages; ``0.0.0.0`` for every interface."""

    web_port: int = 8443
    """443 on the box, 8443 in development."""

    ocpp_host: str = "127.0.0.1"
    """Address of the stations' port."""

    ocpp_port: int = 8080
    """``ws://…:8080/ocpp/{station_id}``."""

    ocpps_port: int | None = 8081
    """``wss://…:8081/ocpp/{station_id}``, the same stations over TLS; ``None`` for no such port."""

    ocpp_strict: bool = False
    """Reads stations exactly as OCPP 1.6 says, without repairs: for conformance tests only."""

    ftp_port: int | None = 8021
    """FTP for files of stations, open only while one needs it; ``None`` for no FTP at all."""

    ftp_passive_ports: tuple[int, int] = (8022, 8029)
    """First and last port of FTP's data connections; a firewall has to let them pass."""

    ntp_port: int | None = None
    """UDP port on which stations are told the time (SNTP): 123 on the box, ``None`` for none."""

    public_names: tuple[str, ...] = ()
    """Further names and addresses that the certificates shall carry."""

    announce: bool = True
    """Whether the manager's name and services are announced on the LAN (mDNS); never on loopback."""

    sample_interval_s: int = 10
    """How often stations are asked to report while charging (MeterValueSampleInterval)."""

    heartbeat_interval_s: int = 300
    """Told to stations in BootNotification.conf."""

    pending_interval_s: int = 30
    """How soon an unknown station asks again (BootNotification.conf, Pending)."""

    lease_s: int = 600
    """Lifetime of a limit sent to a station: without news it falls back by itself."""

    sample_retention_days: int = 60
    """Measurements of connectors older than this are deleted: about 15 MB a day on a full site."""

    history_retention_days: int = 400
    """Granted limits of sessions older than this are deleted: a year, and the month to compare."""

    evidence_retention_days: int = 3 * 366
    """Overloads and reactions older than this are deleted."""

    frames_most_mb: int = 200
    """Room for the recorded OCPP frames, in a file of their own; 0 records none."""

    frames_keep_days: int = 14
    """Recorded OCPP frames older than this are deleted, however much room there is."""

    @property
    def frame_file(self) -> Path:
        """The recorded frames: a SQLite file that is in no backup."""
        return self.data_dir / "frames.sqlite3"

    diagnostics_retention_days: int = 90
    """Diagnostics that stations left longer ago are deleted."""

    @property
    def files(self) -> Path:
        """The folder of firmware and diagnostics."""
        return self.data_dir / "files"

    @property
    def database(self) -> Path:
        """The SQLite file."""
        return self.data_dir / "bornier.sqlite3"
