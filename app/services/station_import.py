"""A list of stations as a spreadsheet writes it (CSV): read, judged line by line, never guessed.

Columns are found by their headings, in French or in English, in any order. Nothing here writes.
"""

from __future__ import annotations

import codecs
import csv
import enum
import io
import re
import secrets
import unicodedata
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Final, TypeVar

import msgspec

from app.domain.adoption import PlannedStation
from app.domain.circuit import CircuitTree
from app.domain.errors import BornierError, InvalidInputError
from app.domain.station import ChargingStation, Connector
from app.domain.units import Rotation, amperes_to_ma
from app.services.configuration import MAX_STATIONS, check_station
from app.services.model_defaults import USUAL_MAX_MA

Given = TypeVar("Given")
Found = TypeVar("Found")

MOST_LINES: Final = 300
"""Three times what a site holds: a list with more is another list."""

DELIMITERS: Final = ";\t,|"

COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "identity": (
        "identite", "identity", "identifiant", "id", "station id", "identite ocpp",
        "charge point id", "chargepointid", "charge box id", "chargeboxid", "borne", "station",
    ),
    "serial": (
        "numero de serie", "n de serie", "no de serie", "no serie", "n serie", "serie", "serial",
        "serial number", "sn",
    ),
    "name": ("nom", "name", "libelle", "designation", "label"),
    "place": ("emplacement", "place", "lieu", "location", "position", "parking"),
    "circuit": ("circuit", "depart", "feeder", "tableau"),
    "max": (
        "max a", "a max", "max", "courant max", "courant max a", "intensite max",
        "intensite max a", "imax", "imax a", "maximum", "maximum a", "max current", "max current a",
        "amperes", "courant", "intensite", "calibre", "calibre a",
    ),
    "phases": ("phases", "nombre de phases", "nb phases", "number of phases", "phase"),
    "rotation": (
        "rotation", "ordre des phases", "rotation des phases", "phase rotation", "phase order",
    ),
}  # fmt: skip
"""Headings by column, without accents, capitals and punctuation."""

_IDENTIFYING: Final = (("identity", "station_id"), ("serial", "serial"))
_FIELDS: Final = (
    ("name", "name"),
    ("place", "place"),
    ("circuit", "circuit_id"),
    ("max", "max_ma"),
    ("phases", "phases"),
    ("rotation", "rotation"),
)
"""Columns and the fields of ``PlannedStation`` that they fill."""

_SINGLE: Final = frozenset({"1", "mono", "monophase", "monophasee", "single", "single phase", "1p"})
_THREE: Final = frozenset({"3", "tri", "triphase", "triphasee", "three", "three phase", "3p"})
_LETTERS: Final = {"1": "R", "2": "S", "3": "T"}


class Verdict(enum.StrEnum):
    """What importing a line would do."""

    NEW = "new"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    REJECTED = "rejected"


class StationList(msgspec.Struct, frozen=True):
    """The lines of a list: the number of each in the file, and its cells by column.

    ``unknown`` are headings that mean nothing here.
    """

    lines: tuple[tuple[int, dict[str, str]], ...]
    columns: tuple[str, ...]
    unknown: tuple[str, ...] = ()
    encoding: str = "utf-8"
    delimiter: str = ";"


class ImportLine(msgspec.Struct, frozen=True):
    """One line with its verdict; ``plan`` is what it says, absent where it cannot be understood.

    ``reasons`` tell why it is rejected, or left as it is.
    """

    number: int
    verdict: Verdict
    label: str
    plan: PlannedStation | None = None
    reasons: tuple[BornierError, ...] = ()
    changes: tuple[str, ...] = ()
    """Names of the columns that differ from before."""

    @property
    def writes(self) -> bool:
        """Whether importing changes anything."""
        return self.verdict in (Verdict.NEW, Verdict.CHANGED)


def decoded(data: bytes) -> tuple[str, str]:
    """The text of a file and the name of its encoding, by its first bytes and by trying.

    Raises ``InvalidInputError``: ``import-empty``, ``import-spreadsheet``, ``import-unreadable``.
    """
    if not data.strip():
        raise InvalidInputError("import-empty", field="file")
    if data.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"%PDF")):
        raise InvalidInputError("import-spreadsheet", field="file")
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encodings = ["utf-16"]
    elif data.startswith(codecs.BOM_UTF8):
        encodings = ["utf-8-sig"]
    else:
        encodings = ["utf-8", "cp1252"]
    for encoding in encodings:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if any(character < " " and character not in "\t\r\n" for character in text):
            break  # no spreadsheet writes control characters
        return text, encoding
    raise InvalidInputError("import-unreadable", field="file")


def read_list(data: bytes) -> StationList:
    """The lines of a file.

    Raises ``InvalidInputError`` for what is no list at all, or one that was cut short.
    """
    text, encoding = decoded(data)
    first = next(line for line in text.splitlines() if line.strip())
    delimiter = max(DELIMITERS, key=first.count)
    rows = _rows(text, delimiter)
    heading = next(number for number, (_, cells) in enumerate(rows) if any(cells))
    columns, unknown = _columns(rows[heading][1])
    number, cells = rows[-1]
    if len(cells) < len(columns) and not text.endswith(("\n", "\r")):
        # Spreadsheets write every cell of a line, and end the last one.
        raise InvalidInputError("import-cut-short", field="file", line=number)
    lines = []
    for number, cells in rows[heading + 1 :]:
        if not any(cells):
            continue
        named = zip(columns, cells, strict=False)
        lines.append((number, {column: cell for column, cell in named if column}))
    if not lines:
        raise InvalidInputError("import-no-lines", field="file")
    if len(lines) > MOST_LINES:
        raise InvalidInputError("import-too-long", field="file", most=MOST_LINES)
    return StationList(
        tuple(lines), tuple(column for column in columns if column), unknown, encoding, delimiter
    )


def _rows(text: str, delimiter: str) -> list[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows: list[tuple[int, list[str]]] = []
    line = 1
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return rows
        except csv.Error:  # above all a quote that is never closed: the end of the file is missing
            raise InvalidInputError("import-cut-short", field="file", line=line) from None
        rows.append((line, [" ".join(cell.split()) for cell in cells]))


def _columns(cells: Sequence[str]) -> tuple[list[str], tuple[str, ...]]:
    meaning = {heading: column for column, headings in COLUMNS.items() for heading in headings}
    columns: list[str] = []
    unknown: list[str] = []
    for cell in cells:
        column = meaning.get(_plain(cell), "")
        if column in columns:
            column = ""
        if not column and cell:
            unknown.append(cell[:40])
        columns.append(column)
    if "identity" not in columns and "serial" not in columns:
        raise InvalidInputError("import-no-heading", field="file")
    return columns, tuple(unknown)


def _plain(text: str) -> str:
    """Without accents, capitals and punctuation: ``N° de série`` becomes ``n de serie``."""
    flat = unicodedata.normalize("NFKD", text.casefold())
    flat = "".join(character for character in flat if not unicodedata.combining(character))
    return " ".join(re.findall(r"[a-z0-9]+", flat.replace("°", " ")))


def compare(
    listed: StationList,
    *,
    tree: CircuitTree,
    circuit_id: str,
    adopt: bool,
    plans: Sequence[PlannedStation],
    stations: Sequence[ChargingStation],
    serials: Mapping[str, str],
) -> list[ImportLine]:
    """Every line with its verdict; ``serials`` are those of adopted stations, in lower case."""
    judge = _Judge(tree, circuit_id, plans, listed.columns, adopt=adopt)
    adopted = {station.station_id for station in stations}
    room = MAX_STATIONS - len(stations) - len(plans)
    lines: list[ImportLine] = []
    for number, cells in listed.lines:
        label = cells.get("identity") or cells.get("serial") or "–"
        if cells.get("identity") in adopted or cells.get("serial", "").casefold() in serials:
            reason = InvalidInputError("import-adopted-already")
            lines.append(ImportLine(number, Verdict.UNCHANGED, label, reasons=(reason,)))
            continue
        line = judge.line(number, label, cells)
        if line.verdict is Verdict.NEW:
            room -= 1
            if room < 0:
                reason = InvalidInputError("too-many-stations", most=MAX_STATIONS)
                line = ImportLine(number, Verdict.REJECTED, label, reasons=(reason,))
        lines.append(line)
    return lines


class _Judge:
    """Judges the lines of one list in their order."""

    def __init__(
        self,
        tree: CircuitTree,
        circuit_id: str,
        plans: Iterable[PlannedStation],
        columns: Collection[str],
        *,
        adopt: bool,
    ) -> None:
        self._tree = tree
        self._circuit_id = circuit_id
        self._adopt = adopt
        self._circuits: dict[str, list[str]] = {}
        for circuit in tree:
            for word in {_plain(circuit.name), _plain(circuit.circuit_id)}:
                self._circuits.setdefault(word, []).append(circuit.circuit_id)
        plans = tuple(plans)
        self._by_identity = {plan.station_id: plan for plan in plans if plan.station_id}
        self._by_serial = {plan.serial.casefold(): plan for plan in plans if plan.serial}
        self._seen: dict[str, int] = {}
        self._absent = [field for column, field in _FIELDS if column not in columns]

    def line(self, number: int, label: str, cells: Mapping[str, str]) -> ImportLine:
        """The verdict on one line."""
        reasons: list[BornierError] = []
        plan = self._plan(cells, reasons)
        for mark in (f"i {plan.station_id}", f"s {plan.serial.casefold()}"):
            if len(mark) == 2:
                continue
            first = self._seen.setdefault(mark, number)
            if first != number:
                reasons.append(InvalidInputError("import-repeated", line=first))
        before = self._before(plan, reasons)
        if reasons:
            return ImportLine(number, Verdict.REJECTED, label, reasons=tuple(reasons))
        if before is None:
            return ImportLine(number, Verdict.NEW, label, plan)
        # What the list has no column for stays, and so does what identifies the station.
        kept = {field: getattr(before, field) for field in self._absent}
        plan = msgspec.structs.replace(
            plan,
            **kept,
            plan_id=before.plan_id,
            station_id=plan.station_id or before.station_id,
            serial=plan.serial or before.serial,
        )
        changes = _changes(before, plan)
        verdict = Verdict.CHANGED if changes else Verdict.UNCHANGED
        return ImportLine(number, verdict, label, plan, changes=changes)

    def _before(self, plan: PlannedStation, reasons: list[BornierError]) -> PlannedStation | None:
        same = self._by_identity.get(plan.station_id) if plan.station_id else None
        twin = self._by_serial.get(plan.serial.casefold()) if plan.serial else None
        if same is not None and twin is not None and same is not twin:
            reasons.append(InvalidInputError("import-two-plans"))
        return same or twin

    def _plan(self, cells: Mapping[str, str], reasons: list[BornierError]) -> PlannedStation:
        """What the line says; every fault of it goes to ``reasons``."""
        identity, serial = cells.get("identity", ""), cells.get("serial", "")
        if not identity and not serial:
            reasons.append(InvalidInputError("import-nameless"))
        circuit_id = _attempt(reasons, self._circuit, cells.get("circuit", ""))
        plan = PlannedStation(
            plan_id=secrets.token_hex(6),
            station_id=identity,
            serial=serial,
            name=cells.get("name", ""),
            place=cells.get("place", ""),
            circuit_id=circuit_id or self._circuit_id,
            max_ma=_attempt(reasons, _max_ma, cells.get("max", "")),
            phases=_attempt(reasons, _phases, cells.get("phases", "")),
            rotation=_attempt(reasons, _rotation, cells.get("rotation", "")),
            adopt=self._adopt,
        )
        if not reasons:
            _attempt(reasons, self._check, plan)
        return plan

    def _circuit(self, text: str) -> str:
        if not text:
            return self._circuit_id
        found = self._circuits.get(_plain(text), [])
        if len(found) != 1:
            key = "import-circuit-ambiguous" if found else "import-circuit-unknown"
            raise InvalidInputError(key, circuit=text[:60])
        return found[0]

    def _check(self, plan: PlannedStation) -> None:
        """What would be refused at adoption is refused now."""
        for text, most in ((plan.name, 60), (plan.place, 80), (plan.serial, 48)):
            if len(text) > most:
                raise InvalidInputError("text-too-long", most=most)
        max_ma = plan.max_ma or USUAL_MAX_MA
        check_station(
            ChargingStation(
                # A serial number may hold spaces: the identity is then another one.
                station_id=plan.station_id or plan.serial.replace(" ", ""),
                name=plan.shown_name,
                circuit_id=plan.circuit_id,
                connectors=(Connector(1, phases=plan.phases or 3, max_ma=max_ma),),
                max_ma=max_ma,
            ),
            self._tree,
        )


def _attempt(
    reasons: list[BornierError], read: Callable[[Given], Found], given: Given
) -> Found | None:
    """What ``read`` makes of ``given``; a refusal goes to ``reasons``."""
    try:
        return read(given)
    except InvalidInputError as error:
        reasons.append(error)
        return None


def _changes(before: PlannedStation, after: PlannedStation) -> tuple[str, ...]:
    return tuple(
        column
        for column, field in (*_IDENTIFYING, *_FIELDS, ("adopt", "adopt"))
        if getattr(before, field) != getattr(after, field)
    )


def _max_ma(text: str) -> int | None:
    if not text:
        return None
    number = re.fullmatch(r"(\d{1,4}(?:[.,]\d{1,3})?) ?[aA]?", text)
    if number is None:
        raise InvalidInputError("import-current", value=text[:20])
    return amperes_to_ma(float(number[1].replace(",", ".")))


def _phases(text: str) -> int | None:
    word = _plain(text)
    if not word:
        return None
    if word in _SINGLE:
        return 1
    if word in _THREE:
        return 3
    raise InvalidInputError("import-phases", value=text[:20])


def _rotation(text: str) -> Rotation | None:
    """``RST``, ``L2L3L1``, ``231``; of one phase alone the rest follows in order."""
    if not text:
        return None
    letters = re.sub(r"[^RST]", "", re.sub(r"[123]", lambda n: _LETTERS[n[0]], text.upper()))
    if len(letters) == 1:
        letters = {"R": "RST", "S": "STR", "T": "TRS"}[letters]
    try:
        return Rotation(letters)
    except ValueError:
        raise InvalidInputError("import-rotation", value=text[:20]) from None
