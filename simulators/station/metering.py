"""Sampled values, timestamps and registers, printed as the persona prints them."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from simulators.station.connector import Connector
from simulators.station.persona import NumberFormat, Persona, TimeFormat

_UNITS = {
    "Current.Import": "A",
    "Current.Offered": "A",
    "Voltage": "V",
    "Power.Active.Import": "W",
    "Power.Active.Export": "W",
    "Power.Offered": "W",
    "Energy.Active.Import.Register": "Wh",
    "Energy.Active.Import.Interval": "Wh",
}
_PHASE_NAMES = ("L1", "L2", "L3")


class MeterPrinter:
    """Makes the sampledValue lists of one station."""

    __slots__ = ("_persona", "_templates", "_voltage", "_voltage_v", "_zone")

    def __init__(self, persona: Persona, voltage_v: float, timezone: str) -> None:
        self._persona = persona
        self._voltage_v = voltage_v
        self._voltage = f"{voltage_v:.1f}"
        self._zone = ZoneInfo(timezone)
        self._templates: dict[tuple[str, str, str], dict[str, str]] = {}

    def timestamp(self, moment: datetime) -> str:
        """A UTC time in the station's own fashion."""
        match self._persona.time_format:
            case TimeFormat.UTC_S:
                return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
            case TimeFormat.UTC_MS:
                return moment.isoformat(timespec="milliseconds")[:23] + "Z"
            case TimeFormat.LOCAL_MS:
                return moment.astimezone(self._zone).isoformat(timespec="milliseconds")
            case TimeFormat.UTC_BARE:
                return moment.strftime("%Y-%m-%dT%H:%M:%S")
            case TimeFormat.LOCAL_BARE:
                return moment.astimezone(self._zone).strftime("%Y-%m-%dT%H:%M:%S")

    def sampled_values(
        self, connector: Connector, measurands: tuple[str, ...], context: str
    ) -> list[dict[str, str]]:
        """The sampledValue list of one MeterValue; never empty when ``measurands`` is not."""
        values: list[dict[str, str]] = []
        for measurand in measurands:
            match measurand:
                case "Current.Import":
                    self._currents(values, connector, context)
                case "Voltage":
                    values.extend(
                        self._value(measurand, context, phase, self._voltage)
                        for phase in _PHASE_NAMES[: connector.config.phases]
                    )
                case _:
                    number = self._number(measurand, connector)
                    values.append(self._value(measurand, context, "", number))
        return values

    def _currents(self, values: list[dict[str, str]], connector: Connector, context: str) -> None:
        currents_a = connector.measured_a()
        if not self._persona.phase_fields:
            # One number for the outlet: the highest of its phases.
            printed = self._print(max(currents_a))
            values.append(self._value("Current.Import", context, "", printed))
            return
        wired = _PHASE_NAMES[: connector.config.phases]
        for phase, current_a in zip(wired, currents_a, strict=False):
            printed = self._print(current_a)
            values.append(self._value("Current.Import", context, phase, printed))

    def _number(self, measurand: str, connector: Connector) -> str:
        match measurand:
            case "Energy.Active.Import.Register":
                return self._energy(connector.reported_wh(), whole=self._persona.whole_register)
            case "Energy.Active.Import.Interval":
                return self._energy(connector.take_interval_wh(), whole=False)
            case "Power.Active.Import" | "Power.Active.Export":
                return self._power(sum(connector.measured_a()) * self._voltage_v)
            case "Current.Offered":
                return self._print(connector.offered_a)
            case _:
                offered_w = connector.offered_a * connector.config.phases * self._voltage_v
                return self._power(offered_w)

    def _energy(self, energy_wh: float, *, whole: bool) -> str:
        if self._persona.kilo_units or self._persona.kilo_mislabelled:
            return f"{energy_wh / 1000.0:.3f}"
        return str(int(energy_wh)) if whole else self._print(energy_wh)

    def _power(self, power_w: float) -> str:
        return self._print(power_w / 1000.0 if self._persona.kilo_units else power_w)

    def _print(self, number: float) -> str:
        match self._persona.numbers:
            case NumberFormat.LONG:
                return f"{number:.8g}"
            case NumberFormat.ONE_DECIMAL:
                return f"{number:.1f}"
            case NumberFormat.WHOLE:
                return str(int(number))

    def _value(self, measurand: str, context: str, phase: str, value: str) -> dict[str, str]:
        key = (measurand, context, phase)
        template = self._templates.get(key)
        if template is None:
            template = self._templates[key] = self._template(measurand, context, phase)
        filled = template.copy()
        filled["value"] = value
        return filled

    def _template(self, measurand: str, context: str, phase: str) -> dict[str, str]:
        persona = self._persona
        unit = _UNITS[measurand]
        if persona.kilo_units and unit in ("W", "Wh"):
            unit = "k" + unit
        template: dict[str, Any] = {
            "value": "",
            "context": context,
            "format": persona.sample_format,
            persona.measurand_key: measurand,
            "phase": phase or None,
            "location": persona.sample_location,
            "unit": unit,
        }
        return {key: text for key, text in template.items() if text is not None}
