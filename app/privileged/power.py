"""Switches the box off, or starts it anew, once everything else has ended."""

from __future__ import annotations

from app.domain.host import Done
from app.privileged.machine import Machine


def power_off(machine: Machine) -> Done:
    """Begins a clean stop."""
    machine.must("systemctl", "--no-block", "poweroff")
    return Done()


def reboot(machine: Machine) -> Done:
    """Begins a clean restart."""
    machine.must("systemctl", "--no-block", "reboot")
    return Done()
