"""The frames that the bench sends, as a real station words them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

PHASES = ("L1", "L2", "L3")
UNIQUE_ID, TIME, ENERGY = "@id@", "@time@", "@energy@"  # places of the template


def call(unique_id: str, action: str, payload: dict[str, Any]) -> str:
    return json.dumps([2, unique_id, action, payload], separators=(",", ":"))


def timestamp() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def heartbeat(unique_id: str) -> str:
    return call(unique_id, "Heartbeat", {})


def boot(unique_id: str) -> str:
    payload = {
        "chargePointVendor": "Bench",
        "chargePointModel": "Closed loop",
        "chargePointSerialNumber": "0001",
        "firmwareVersion": "1.0",
    }
    return call(unique_id, "BootNotification", payload)


def status(unique_id: str, connector_id: int, value: str) -> str:
    payload = {
        "connectorId": connector_id,
        "errorCode": "NoError",
        "status": value,
        "timestamp": timestamp(),
    }
    return call(unique_id, "StatusNotification", payload)


def start_transaction(unique_id: str, id_tag: str, connector_id: int = 1) -> str:
    payload = {
        "connectorId": connector_id,
        "idTag": id_tag,
        "meterStart": 0,
        "timestamp": timestamp(),
    }
    return call(unique_id, "StartTransaction", payload)


def stop_transaction(unique_id: str, transaction_id: int, id_tag: str, meter_wh: int) -> str:
    payload = {
        "transactionId": transaction_id,
        "idTag": id_tag,
        "meterStop": meter_wh,
        "timestamp": timestamp(),
        "reason": "PowerLoss",
    }
    return call(unique_id, "StopTransaction", payload)


def currents(unique_id: str, connector_id: int, transaction_id: int, current_a: float) -> str:
    """A MeterValues of one current on each phase."""
    samples = [
        {
            "value": f"{current_a:.3f}",
            "context": "Sample.Periodic",
            "measurand": "Current.Import",
            "unit": "A",
            "phase": phase,
        }
        for phase in PHASES
    ]
    payload = {
        "connectorId": connector_id,
        "transactionId": transaction_id,
        "meterValue": [{"timestamp": timestamp(), "sampledValue": samples}],
    }
    return call(unique_id, "MeterValues", payload)


def meter_values_template(transaction_id: int) -> str:
    """A MeterValues of twelve samples, to be filled by `meter_values`.

    Current, voltage and power of each phase, total power, energy and temperature.
    """

    def sample(value: str, measurand: str, unit: str, phase: str | None = None) -> dict[str, str]:
        made = {"value": value, "context": "Sample.Periodic", "measurand": measurand, "unit": unit}
        return made if phase is None else made | {"phase": phase}

    samples = [sample(f"15.{n}", "Current.Import", "A", phase) for n, phase in enumerate(PHASES)]
    samples += [sample(f"23{n}.4", "Voltage", "V", f"{p}-N") for n, p in enumerate(PHASES)]
    samples += [sample(f"349{n}", "Power.Active.Import", "W", p) for n, p in enumerate(PHASES)]
    samples.append(sample("10473", "Power.Active.Import", "W"))
    samples.append(sample(ENERGY, "Energy.Active.Import.Register", "Wh"))
    samples.append(sample("31.5", "Temperature", "Celsius"))
    payload = {
        "connectorId": 1,
        "transactionId": transaction_id,
        "meterValue": [{"timestamp": TIME, "sampledValue": samples}],
    }
    return call(UNIQUE_ID, "MeterValues", payload)


def meter_values(template: str, unique_id: str, energy_wh: int) -> str:
    """The template with its id, its time and its energy: cheap, for the load must not be."""
    filled = template.replace(UNIQUE_ID, unique_id, 1).replace(TIME, timestamp(), 1)
    return filled.replace(ENERGY, str(energy_wh), 1)
