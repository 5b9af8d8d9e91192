"""At boot, before the network, the clock's servers and SSH: what was set takes its place in /run.

A boot never fails for it: what cannot be used is told to the journal and left out.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from app.domain.errors import BornierError
from app.privileged.clock import render_time
from app.privileged.machine import Machine
from app.privileged.network import checked, render
from app.privileged.settings import Settings, SettingsStore
from app.privileged.ssh import all_keys, open_ssh

log = logging.getLogger(__name__)


def apply(machine: Machine) -> None:
    """Renders every setting that can be rendered."""
    settings = SettingsStore(machine).load()
    steps: tuple[Callable[[Machine, Settings], None], ...] = (_network, render_time, _ssh)
    for step in steps:
        try:
            step(machine, settings)
        except (BornierError, OSError) as error:
            log.error("left out at this boot: %s", error)


def _network(machine: Machine, settings: Settings) -> None:
    render(machine, None if settings.network is None else checked(settings.network))


def _ssh(machine: Machine, settings: Settings) -> None:
    if all_keys(machine, settings):
        open_ssh(machine, settings)
