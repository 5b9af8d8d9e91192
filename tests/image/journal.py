"""What the box's database holds, read in the guest beside the running manager."""

from __future__ import annotations

import json
from typing import Any

from tests.image.bench import REPORT_S
from tests.image.errors import ImageTestError
from tests.image.machine import Machine


def journal(box: Machine) -> list[dict[str, Any]]:
    """The rows of ``charge_transaction``. Raises ``ImageTestError`` when the database is damaged."""
    told = box.guest.content("python3 /run/image-test/transactions", within_s=REPORT_S)
    integrity, *rows = [json.loads(line) for line in told.splitlines()]
    if integrity != ["ok"]:
        raise ImageTestError(f"integrity_check: {integrity}")
    return rows
