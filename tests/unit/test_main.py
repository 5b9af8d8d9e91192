"""What the composition root decides by itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.__main__ import _parser
from app.config import Settings
from app.main import _only_here


@pytest.mark.parametrize(
    ("web_host", "ocpp_host", "only_here"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("localhost", "::1", True),
        ("127.0.0.1", "0.0.0.0", False),
        ("192.168.1.5", "127.0.0.1", False),
    ],
)
def test_nothing_is_announced_that_only_this_machine_can_reach(
    web_host: str, ocpp_host: str, only_here: bool
) -> None:
    settings = Settings(data_dir=Path(), web_host=web_host, ocpp_host=ocpp_host)
    assert _only_here(settings) is only_here


def test_the_announcement_can_be_switched_off() -> None:
    assert Settings().announce
    assert _parser().parse_args(["serve"]).announce
    assert not _parser().parse_args(["serve", "--no-announce"]).announce
