"""Files of stations as a showroom shows them: a campaign in every stage, diagnostics, lists."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from app.domain.campaign import Campaign, CampaignState, Stage, StationUpdate, Why, Window
from app.domain.local_list import HeldList, ListTrouble
from app.domain.station_files import (
    DiagnosticsRequest,
    FirmwareFile,
    LogKind,
    RequestState,
    Scheme,
    UploadedFile,
)
from app.services.file_ports import Area, FileVault, Record, RecordRepository

FIRMWARE = "aa" * 12
SIGNED = "bb" * 12
LEFT = "cc" * 12
LEFT_PART = "dd" * 12
OLD, NEW = "4.2.1", "5.0.3"

_STAGES = (
    (Stage.VERIFIED, Why.NONE, ""),
    (Stage.VERIFIED, Why.NONE, ""),
    (Stage.INSTALLED, Why.NONE, ""),
    (Stage.DOWNLOADING, Why.NONE, ""),
    (Stage.FAILED, Why.DOWNLOAD, "DownloadFailed"),
    (Stage.TIMED_OUT, Why.SILENT, "installing"),
)


async def furnish_files(
    records: RecordRepository, vault: FileVault, stations: list[str], now: datetime
) -> None:
    """Writes them; the services read them when they are loaded."""
    for area, file_id, content in (
        (Area.FIRMWARE, FIRMWARE, b"firmware" * 900_000),
        (Area.FIRMWARE, SIGNED, b"signed" * 90_000),
        (Area.DIAGNOSTICS, LEFT, b"log\n" * 40_000),
    ):
        receiving = await vault.receive(area, file_id, len(content))
        await receiving.write(content)
        await receiving.keep()
    receiving = await vault.receive(Area.DIAGNOSTICS, LEFT_PART, 100)
    await receiving.write(b"half of it")
    await receiving.keep_part()
    first, second = stations[0], stations[1 % len(stations)]
    day = timedelta(days=1)
    firmware = FirmwareFile(
        FIRMWARE, "premium-5.0.3.bin", 7_200_000, "9f" * 32, "Legrand", "Green'up Premium", NEW,
        now - 3 * day, "admin", "Corrige l'arrêt à 0 A.",
    )  # fmt: skip
    signed = msgspec.structs.replace(
        firmware, file_id=SIGNED, name="generic-2.1.signed", size=540_000, sha256="1c" * 32,
        vendor="", model="", version="2.1", note="", signature="c2ln", certificate="-",
    )  # fmt: skip
    running = Campaign(
        2, FIRMWARE, firmware.name, NEW, now - timedelta(hours=2), "admin",
        pilots=1, at_once=3, most_failures=2, window=Window(22 * 60, 5 * 60),
    )  # fmt: skip
    done = msgspec.structs.replace(
        running, campaign_id=1, version=OLD, created_utc=now - 90 * day, state=CampaignState.DONE,
        window=None,
    )  # fmt: skip
    updates = [StationUpdate(1, first, 0, Stage.VERIFIED, now - 90 * day, after=OLD)]
    for position, station_id in enumerate(stations[:12]):
        update = StationUpdate(2, station_id, position)
        if position < len(_STAGES):
            stage, why, detail = _STAGES[position]
            update = msgspec.structs.replace(
                update, stage=stage, why=why, detail=detail, before=OLD,
                after=NEW if stage is Stage.VERIFIED else "",
                since_utc=now - timedelta(minutes=9 * (7 - position)), tried=(Scheme.HTTP,),
                order_id="" if stage.ended else "0" * 12,
            )  # fmt: skip
        updates.append(update)
    requests = [
        DiagnosticsRequest(
            1, first, LogKind.DIAGNOSTICS, RequestState.UPLOADED, now - day, "admin", now - day,
            (Scheme.HTTP,),
        ),
        DiagnosticsRequest(
            2, second, LogKind.DIAGNOSTICS, RequestState.FAILED, now, "admin", now,
            (Scheme.HTTP, Scheme.FTP), reason="UploadFailed",
        ),
        DiagnosticsRequest(
            3, first, LogKind.SECURITY_LOG, RequestState.REFUSED, now, "admin", now,
            (Scheme.HTTP,), reason="NotImplemented",
        ),
    ]  # fmt: skip
    left = [
        UploadedFile(LEFT, 1, first, "diag-2026-11.log", 160_000, now - day),
        UploadedFile(LEFT_PART, 2, second, "diag.tar.gz", 10, now, complete=False),
    ]
    held = [
        HeldList(first, 12, "?", 17, now - timedelta(minutes=4)),
        HeldList(second, trouble=ListTrouble("list-none", "NotSupported"), supported=False),
    ]
    if len(stations) > 2:
        failed = ListTrouble("list-failed", "Failed")
        held.append(HeldList(stations[2], 3, "", 10, now - day, 7, failed))
    await records.save(
        [
            *(Record("firmware-file", each.file_id, _json(each)) for each in (firmware, signed)),
            *(Record("campaign", str(each.campaign_id), _json(each)) for each in (running, done)),
            *(
                Record("campaign-update", f"{each.campaign_id} {each.station_id}", _json(each))
                for each in updates
            ),
            *(Record("diagnostics-request", str(one.request_id), _json(one)) for one in requests),
            *(Record("diagnostics-file", each.file_id, _json(each)) for each in left),
            *(Record("station-list", each.station_id, _json(each)) for each in held),
        ]
    )


def _json(record: msgspec.Struct) -> str:
    return msgspec.json.encode(record).decode()
