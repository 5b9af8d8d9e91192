"""Local list, cache and reservations: what a station does with these calls (OCPP 1.6, clause 5)."""

from __future__ import annotations

from functools import partial

from simulators.station.access import MOST_TAG_CHARACTERS
from simulators.station.calls import Afterwards, Handlers, Payload, fields
from simulators.station.charging_profiles import epoch_s
from simulators.station.connector import Connector, Reservation
from simulators.station.core import Core
from simulators.station.sessions import Sessions

MOST_WAIT_S = 86_400.0
"""A timer a day ahead at most: it looks again then."""


class AccessCalls:
    """Answers the calls of the LocalAuthListManagement and Reservation profiles."""

    def __init__(self, core: Core, sessions: Sessions, afterwards: Afterwards) -> None:
        self._core = core
        self._sessions = sessions
        self._afterwards = afterwards

    def handlers(self) -> Handlers:
        """What it answers."""
        return {
            "CancelReservation": (self._cancel_reservation, fields("reservationId")),
            "ClearCache": (self._clear_cache, frozenset()),
            "GetLocalListVersion": (self._local_list_version, frozenset()),
            "ReserveNow": (
                self._reserve,
                fields("connectorId expiryDate idTag parentIdTag reservationId"),
            ),
            "SendLocalList": (
                self._send_local_list,
                fields("listVersion localAuthorizationList updateType"),
            ),
        }

    # ------------------------------------------------------------------ local list and cache

    def _clear_cache(self, _payload: Payload) -> Payload:
        if not self._core.keys.boolean("AuthorizationCacheEnabled"):
            return {"status": "Rejected"}
        self._sessions.tokens.cache.clear()
        return {"status": "Accepted"}

    def _local_list_version(self, _payload: Payload) -> Payload:
        return {"listVersion": self._sessions.tokens.version if self._keeps_a_list() else -1}

    def _keeps_a_list(self) -> bool:
        return self._core.persona.local_list and self._core.keys.boolean("LocalAuthListEnabled")

    def _send_local_list(self, payload: Payload) -> Payload:
        tokens, persona = self._sessions.tokens, self._core.persona
        version, update = int(payload["listVersion"]), payload["updateType"]
        if update not in ("Full", "Differential"):
            raise ValueError(update)
        if not self._keeps_a_list():
            return {"status": "NotSupported"}
        entries = payload.get("localAuthorizationList", [])
        if update == "Differential" and version <= tokens.version:
            return {"status": "VersionMismatch"}
        changed = {} if update == "Full" else dict(tokens.entries)
        for entry in entries:
            tag = str(entry["idTag"])
            if len(tag) > MOST_TAG_CHARACTERS:
                raise ValueError(tag)
            if "idTagInfo" in entry:
                changed[tag.lower()] = entry["idTagInfo"]
            else:
                changed.pop(tag.lower(), None)
        if len(entries) > persona.local_list_most_sent or len(changed) > persona.local_list_max:
            return {"status": "Failed"}
        tokens.entries = changed
        tokens.version = version
        return {"status": "Accepted"}

    # ------------------------------------------------------------------ reservations

    def _reserve(self, payload: Payload) -> Payload:
        core = self._core
        connector_id = int(payload["connectorId"])
        reservation = Reservation(
            int(payload["reservationId"]), str(payload["idTag"]), payload.get("parentIdTag")
        )
        ends_s = epoch_s(payload["expiryDate"])
        connector = core.connector(connector_id)
        if connector_id == 0 and core.persona.reserves_station:
            status = self._standing_of_all(reservation)
        elif connector is None:
            return {"status": "Rejected"}
        else:
            status = _standing(connector, reservation)
        if status != "Accepted":
            return {"status": status}
        # One that is known by its number takes the place of the old (clause 5.13).
        for each in core.connectors:
            if each.reserved_for is not None and each.reserved_for.number == reservation.number:
                each.reserved_for = None
        if connector is None:
            core.reserved_for_all = reservation
        else:
            connector.reserved_for = reservation
        self._end_at(reservation, ends_s)
        self._afterwards.append(core.tell_statuses)
        return {"status": "Accepted"}

    def _standing_of_all(self, reservation: Reservation) -> str:
        answers = [_standing(each, reservation) for each in self._core.connectors]
        return "Accepted" if "Accepted" in answers else answers[0]

    def _end_at(self, reservation: Reservation, ends_s: float) -> None:
        left_s = ends_s - self._core.clock().timestamp()
        if left_s > MOST_WAIT_S:
            self._core.loop.call_later(MOST_WAIT_S, self._end_at, reservation, ends_s)
        else:
            self._core.loop.call_later(max(left_s, 0.0), self._end, reservation)

    def _cancel_reservation(self, payload: Payload) -> Payload:
        wanted = int(payload["reservationId"])
        core = self._core
        standing = [core.reserved_for_all, *(each.reserved_for for each in core.connectors)]
        for reservation in standing:
            if reservation is not None and reservation.number == wanted:
                self._afterwards.append(partial(self._end, reservation))
                return {"status": "Accepted"}
        return {"status": "Rejected"}

    def _end(self, reservation: Reservation) -> None:
        core = self._core
        if core.reserved_for_all is reservation:
            core.reserved_for_all = None
        for connector in core.connectors:
            if connector.reserved_for is reservation:
                connector.reserved_for = None
        core.tell_statuses()


def _standing(connector: Connector, reservation: Reservation) -> str:
    if connector.fault:
        return "Faulted"
    if not connector.available:
        return "Unavailable"
    standing = connector.reserved_for
    if connector.car is not None or connector.cable_of is not None:
        return "Occupied"
    if standing is not None and standing.number != reservation.number:
        return "Occupied"
    return "Accepted"
