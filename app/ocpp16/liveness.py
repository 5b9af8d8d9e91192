"""How long a station may say nothing before its connection counts as dead.

A station that answers the WebSocket's own pings needs no such rule: a ping without its pong ends
the connection. Many do not answer them; of those, only their own messages tell that they live. The
rule is three times the longer of heartbeat and ping, never the heartbeat itself: a manager that
hangs up exactly when the next heartbeat is due cuts its stations off for ever.
"""

from __future__ import annotations

from typing import Any, Final

from app.ocpp16.actions.manager_calls import (
    ChangeConfiguration,
    ChangeConfigurationConfirmation,
    GetConfigurationConfirmation,
)
from app.ocpp16.actions.station_calls import BootNotificationConfirmation
from app.ocpp16.actions.types import Call, ConfigurationStatus, Confirmation
from app.ocpp16.configuration import interpret

MISSED: Final = 3
"""Heartbeats that may be lost in a row."""

HEARTBEAT_KEY: Final = "heartbeatinterval"


class Liveness:
    """The interval at which one station is expected to be heard, from what both sides have said."""

    def __init__(self, heartbeat_s: float, ping_interval_s: float | None) -> None:
        self._heartbeat_s = heartbeat_s
        self._ping_s = ping_interval_s or 0.0

    @property
    def silent_after_s(self) -> float:
        """Seconds without any message after which the station counts as gone."""
        return MISSED * max(self._heartbeat_s, self._ping_s)

    def answered(self, confirmation: Confirmation) -> bool:
        """The manager has answered a CALL: a boot's answer tells an interval (clause 4.2).

        Says whether that has changed anything.
        """
        if type(confirmation) is not BootNotificationConfirmation or confirmation.interval <= 0:
            return False
        self._heartbeat_s = float(confirmation.interval)
        return True

    def confirmed(self, request: Call[Any], confirmation: Confirmation) -> None:
        """The station has answered a CALL of ours about its settings."""
        if isinstance(confirmation, GetConfigurationConfirmation):
            interval_s = interpret(confirmation).heartbeat_interval_s
            if interval_s:
                self._heartbeat_s = float(interval_s)
        elif isinstance(request, ChangeConfiguration) and request.key.lower() == HEARTBEAT_KEY:
            assert isinstance(confirmation, ChangeConfigurationConfirmation)
            if confirmation.status is ConfigurationStatus.ACCEPTED and request.value.isdecimal():
                self._heartbeat_s = float(request.value) or self._heartbeat_s
