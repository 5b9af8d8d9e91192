"""The playbook's tables, by feature profile: what is said in each message, and what is answered."""

from __future__ import annotations

from typing import Final

from tests.conversations.book import (
    core,
    firmware,
    local_list,
    reservation,
    security,
    smart_charging,
    trigger,
)
from tests.conversations.entries import Entry, FromManager, FromStation

STATION_CALLS: Final[tuple[FromStation, ...]] = (
    *core.STATION_CALLS,
    *firmware.STATION_CALLS,
    *security.STATION_CALLS,
)

MANAGER_CALLS: Final[tuple[FromManager, ...]] = (
    *core.MANAGER_CALLS,
    *firmware.MANAGER_CALLS,
    *local_list.MANAGER_CALLS,
    *reservation.MANAGER_CALLS,
    *smart_charging.MANAGER_CALLS,
    *trigger.MANAGER_CALLS,
    *security.MANAGER_CALLS,
)

EVERYTHING: Final[tuple[Entry, ...]] = (*STATION_CALLS, *MANAGER_CALLS)
