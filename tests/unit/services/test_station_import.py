"""Lists of stations as spreadsheets write them, and as they arrive damaged."""

from __future__ import annotations

from typing import Any

import pytest

from app.domain.adoption import PlannedStation
from app.domain.circuit import Circuit, CircuitTree
from app.domain.errors import InvalidInputError
from app.domain.station import ChargingStation, Connector
from app.domain.units import PhaseCurrents, Rotation
from app.services.configuration import MAX_STATIONS
from app.services.station_import import (
    COLUMNS,
    MOST_LINES,
    ImportLine,
    Verdict,
    compare,
    read_list,
)

TREE = CircuitTree(
    (
        Circuit("supply", "Arrivée générale", None, PhaseCurrents.uniform(400_000)),
        Circuit("p1", "Parking −1", "supply", PhaseCurrents.uniform(125_000)),
        Circuit("x", "Allée", "supply", PhaseCurrents.uniform(63_000)),
        Circuit("y", "allee", "supply", PhaseCurrents.uniform(63_000)),
    )
)
FRENCH = (
    "N° de série;Identité;Nom;Emplacement;Départ;Max (A);Phases;Ordre des phases\r\n"
    "260988;A-001;Borne 1;−1, place 1;Parking −1;32;Tri;STR\r\n"
    "260989;A-002;Borne 2;−1, place 2;parking -1;16,5 A;mono;L2\r\n"
    ";A-003;;;;;;\r\n"
)


def judged(text: str | bytes, **changes: Any) -> list[ImportLine]:
    data = text if isinstance(text, bytes) else text.encode()
    given: dict[str, Any] = {
        "tree": TREE,
        "circuit_id": "supply",
        "adopt": False,
        "plans": (),
        "stations": (),
        "serials": {},
    }
    return compare(read_list(data), **{**given, **changes})


def refusal(data: bytes) -> tuple[str, dict[str, object]]:
    with pytest.raises(InvalidInputError) as refused:
        read_list(data)
    return refused.value.key, refused.value.params


def reasons(line: ImportLine) -> list[str]:
    return [error.key for error in line.reasons]


def test_a_french_list_is_understood_whole() -> None:
    first, second, third = judged(FRENCH, adopt=True)
    assert {line.verdict for line in (first, second, third)} == {Verdict.NEW}
    plan = first.plan
    assert plan is not None
    assert (plan.station_id, plan.serial, plan.name) == ("A-001", "260988", "Borne 1")
    assert (plan.place, plan.circuit_id, plan.max_ma) == ("−1, place 1", "p1", 32_000)
    assert (plan.phases, plan.rotation, plan.adopt) == (3, Rotation.STR, True)
    plan = second.plan
    assert plan is not None
    # A minus sign typed on a keyboard names the same circuit as the typographic one.
    assert (plan.circuit_id, plan.max_ma, plan.phases) == ("p1", 16_500, 1)
    assert plan.rotation is Rotation.STR
    plan = third.plan
    assert plan is not None
    assert (plan.circuit_id, plan.max_ma, plan.phases, plan.rotation) == (
        "supply",
        None,
        None,
        None,
    )
    assert [line.number for line in (first, second, third)] == [2, 3, 4]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
@pytest.mark.parametrize("delimiter", [";", ",", "\t", "|"])
def test_encodings_and_separators_are_found(encoding: str, delimiter: str) -> None:
    text = delimiter.join(("Identité", "Libellé")) + "\n" + delimiter.join(("A-1", "Été")) + "\n"
    listed = read_list(text.encode(encoding))
    assert listed.lines == ((2, {"identity": "A-1", "name": "Été"}),)
    assert listed.delimiter == delimiter


@pytest.mark.parametrize("column", COLUMNS)
def test_every_heading_is_found_in_any_spelling(column: str) -> None:
    for heading in COLUMNS[column]:
        other = "serial" if column == "identity" else "identity"
        written = f"{heading.upper()} ;{COLUMNS[other][0]};Remarque\n1;2;x\n"
        listed = read_list(written.encode())
        assert listed.lines == ((2, {column: "1", other: "2"}),), heading
        assert listed.unknown == ("Remarque",)


def test_quotes_hold_separators_and_blank_lines_are_passed_over() -> None:
    listed = read_list(b'\n;;\nidentity;name\n\n"A;1";"say ""hi"""\n')
    assert listed.lines == ((5, {"identity": "A;1", "name": 'say "hi"'}),)


def test_a_column_named_twice_counts_once() -> None:
    listed = read_list(b"id;identity;serial\nA;B;1\n")
    assert listed.lines == ((2, {"identity": "A", "serial": "1"}),)
    assert listed.unknown == ("identity",)


@pytest.mark.parametrize(
    ("data", "key"),
    [
        (b"", "import-empty"),
        (b" \r\n ", "import-empty"),
        (b"PK\x03\x04\x14\x00\x06\x00", "import-spreadsheet"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "import-spreadsheet"),
        (b"%PDF-1.7", "import-spreadsheet"),
        (b"identity;name\nA\x00;b\n", "import-unreadable"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "import-unreadable"),
        (b"\xff\xfei\x00d\x00\x00", "import-unreadable"),
        (b"nom;place\nA;1\n", "import-no-heading"),
        (b"identity;name\n", "import-no-lines"),
        (b"identity\n" + b"A\n" * (MOST_LINES + 1), "import-too-long"),
    ],
)
def test_what_is_no_list_is_refused_as_a_whole(data: bytes, key: str) -> None:
    assert refusal(data)[0] == key


def test_a_file_that_was_cut_short_is_refused_with_the_line() -> None:
    whole = b'identity;name;place\nA-1;"Un";1\nA-2;"Deux";2\n'
    assert refusal(whole[: whole.index(b'"Deux') + 3]) == ("import-cut-short", {"line": 3})
    assert refusal(whole[: whole.index(b";2")]) == ("import-cut-short", {"line": 3})
    # A last line without its end, but with all its cells, is whole.
    assert len(read_list(whole.rstrip()).lines) == 2


def test_faults_are_told_line_by_line_and_spare_the_others() -> None:
    lines = judged(
        "identity;serial;name;circuit;max;phases;rotation\n"
        "A-1;1;;Nowhere;32;3;RST\n"
        "A-2;2;;allée;5000;9;RRR\n"
        ";;Only a name;;;;\n"
        "A-4;4;;;lots;;\n"
        "A 5;5;;;;;\n"
        "A-6;6;;;200;;\n"
        f"A-7;7;{'x' * 61};;;;\n"
        "A-8;1;;;;;\n"
        "A-9;9;;;16;3;TRS\n"
    )
    assert [line.number for line in lines] == list(range(2, 11))
    assert [reasons(line) for line in lines] == [
        ["import-circuit-unknown"],
        ["import-circuit-ambiguous", "import-phases", "import-rotation"],
        ["import-nameless"],
        ["import-current"],
        ["station-identity-invalid"],
        ["station-current-range"],
        ["text-too-long"],
        ["import-repeated"],
        [],
    ]
    assert lines[7].reasons[0].params == {"line": 2}
    assert [line.verdict for line in lines] == [Verdict.REJECTED] * 8 + [Verdict.NEW]
    assert not any(line.writes for line in lines[:8])


def test_a_second_import_tells_what_changes_and_keeps_the_identifier() -> None:
    before = [line.plan for line in judged(FRENCH)]
    plans = [plan for plan in before if plan is not None]
    again = judged(FRENCH, plans=plans)
    assert [line.verdict for line in again] == [Verdict.UNCHANGED] * 3
    changed = judged("identity;serial;max\nA-001;;16\n;260989;16,5\nA-003;7;\n", plans=plans)
    # Columns that the list does not have leave what was known.
    assert [(line.verdict, line.changes) for line in changed] == [
        (Verdict.CHANGED, ("max",)),
        (Verdict.UNCHANGED, ()),
        (Verdict.CHANGED, ("serial",)),
    ]
    (emptied,) = judged("identity;place\nA-001;\n", plans=plans)
    assert emptied.changes == ("place",)
    assert [line.plan.plan_id for line in changed if line.plan] == [p.plan_id for p in plans]
    # What identifies it stays, where the new list is silent.
    assert changed[1].plan is not None
    assert changed[1].plan.station_id == "A-002"


def test_a_line_that_mixes_two_expected_stations_is_rejected() -> None:
    plans = [line.plan for line in judged(FRENCH) if line.plan is not None]
    (line,) = judged("identity;serial\nA-001;260989\n", plans=plans)
    assert reasons(line) == ["import-two-plans"]


def test_adopted_stations_are_left_alone() -> None:
    station = ChargingStation("A-001", "Borne 1", "p1", (Connector(1),))
    by_name, by_serial = judged(
        "identity;serial\nA-001;\n;ab12\n", stations=[station], serials={"ab12": "B-7"}
    )
    assert reasons(by_name) == reasons(by_serial) == ["import-adopted-already"]
    assert not by_name.writes


def test_there_is_room_for_no_more_than_a_site_holds() -> None:
    stations = [
        ChargingStation(f"S-{n}", "x", "p1", (Connector(1),)) for n in range(MAX_STATIONS - 2)
    ]
    plan = PlannedStation("1", "P-1", "", "", "", "p1")
    lines = judged("identity\nP-1\nN-1\nN-2\n", stations=stations, plans=[plan])
    assert [line.verdict for line in lines] == [Verdict.UNCHANGED, Verdict.NEW, Verdict.REJECTED]
    assert reasons(lines[2]) == ["too-many-stations"]


@pytest.mark.parametrize(
    ("written", "rotation"),
    [("rst", "RST"), ("L2-L3-L1", "STR"), ("312", "TRS"), ("L1", "RST"), ("t", "TRS")],
)
def test_rotations_are_written_in_many_ways(written: str, rotation: str) -> None:
    (line,) = judged(f"identity;rotation\nA;{written}\n")
    assert line.plan is not None
    assert line.plan.rotation == rotation


def test_serial_numbers_with_spaces_make_no_identity_with_spaces() -> None:
    (line,) = judged("serial\n21 G 0456\n")
    assert line.verdict is Verdict.NEW
