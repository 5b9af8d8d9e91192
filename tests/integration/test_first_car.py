"""What the image tests do on a new box, on a manager of this machine: the pages still take it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.image.errors import ImageTestError
from tests.image.site import Site
from tests.support.running import RunningManager


def test_a_new_manager_is_described_and_a_car_charges(tmp_path: Path) -> None:
    manager = RunningManager(tmp_path)
    manager.start()
    try:
        person = Site.first(manager.web_port, manager.secret())
        try:
            person.describe(["CAR-001"])
            assert person.charge("CAR-001", manager.ocpp_url, seconds=90) >= 6
            with pytest.raises(ImageTestError, match=r"/stations/add: 422 .+"):
                person.describe(["CAR-001"])
        finally:
            person.client.close()
    finally:
        manager.stop()
