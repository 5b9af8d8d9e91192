"""How one station's frames are to be read and written, where it differs from the specification."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, tzinfo
from typing import Any, Final

import msgspec

from app.ocpp16.actions.types import Call


class Dialect(msgspec.Struct, frozen=True):
    """What of a station's quirks concerns single frames.

    ``zone`` is that of times without one. ``strict`` refuses what would else be repaired (for tests
    of conformance). ``connectors`` gives our number of an outlet for the station's; numbers that
    are not named are the same on both sides.
    """

    zone: tzinfo = UTC
    strict: bool = False
    connectors: Mapping[int, int] = {}

    def inbound(self, request: Call[Any]) -> Call[Any]:
        """A CALL of the station with our numbers."""
        return _renumbered(request, self.connectors)

    def outbound(self, request: Call[Any]) -> Call[Any]:
        """A CALL of ours with the station's numbers."""
        return _renumbered(request, {ours: theirs for theirs, ours in self.connectors.items()})


PLAIN: Final = Dialect()
"""As the specification has it, with repairs."""


def _renumbered(request: Call[Any], numbers: Mapping[int, int]) -> Call[Any]:
    number = getattr(request, "connector_id", None)
    if number is None or number not in numbers:
        return request
    return msgspec.structs.replace(request, connector_id=numbers[number])
