"""Site documents: what a good one becomes, and how a bad one is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from app.domain.errors import InvalidInputError
from app.domain.meter import MeterPlacement
from app.domain.station import Connector
from app.domain.units import PhaseCurrents, Rotation
from app.services.provisioning import parse_site


def document(**changes: Any) -> dict[str, Any]:
    site: dict[str, Any] = {
        "schema": "bornier-site/1",
        "name": "Garage",
        "circuits": [
            {
                "id": "supply",
                "name": "Arrivée",
                "limit_a": [400, 400, 400.5],
                "margin_a": 4,
                "worst_background_a": [220, 0, 1],
            },
            {"id": "b1", "name": "Parking", "parent": "supply", "limit_a": [63, 63, 63]},
        ],
        "meters": [
            {
                "id": "m",
                "model": "IME Nemo D4-Le",
                "host": "127.0.0.1",
                "port": 5020,
                "circuit": "supply",
                "placement": "building",
            }
        ],
        "stations": [
            {
                "id": "A-001",
                "circuit": "b1",
                "max_a": 16,
                "weight": 1.5,
                "connectors": [{"id": 1, "phases": 1, "rotation": "STR", "max_a": 16.5}],
            }
        ],
        "badges": [{"id_tag": "04A1", "holder": "Claire", "active": False}],
    }
    site.update(changes)
    return site


def test_a_site_document_becomes_a_configuration() -> None:
    configuration, badges = parse_site(json.dumps(document()).encode())
    supply, feeder = configuration.circuits
    assert supply.limit == PhaseCurrents(400_000, 400_000, 400_500)
    assert supply.margin_ma == 4_000
    assert supply.worst_background == PhaseCurrents(220_000, 0, 1_000)
    assert (feeder.parent_id, feeder.worst_background) == ("supply", None)
    (meter,) = configuration.meters
    assert (meter.port, meter.placement) == (5020, MeterPlacement.BUILDING)
    (station,) = configuration.stations
    assert (station.name, station.weight, station.fallback_ma) == ("A-001", 1_500, 0)
    assert station.connectors == (Connector(1, phases=1, rotation=Rotation.STR, max_ma=16_500),)
    assert configuration.timezone == "Europe/Paris"
    assert [(badge.id_tag, badge.holder, badge.active) for badge in badges] == [
        ("04A1", "Claire", False)
    ]


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"[]",
        b"\xff\xfe",
        json.dumps(document(schema="other/1")).encode(),
        json.dumps(document(circuits=[{"id": "a", "name": "a", "limit_a": [1, 2]}])).encode(),
        json.dumps(document(colour="red")).encode(),
    ],
)
def test_a_bad_document_is_refused_with_its_place(bad: bytes) -> None:
    with pytest.raises(InvalidInputError) as refused:
        parse_site(bad)
    assert refused.value.key == "provision-unreadable"
    assert refused.value.params["detail"]
