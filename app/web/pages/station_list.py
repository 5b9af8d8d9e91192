"""``/stations/list``: stations expected before they call, and the import of their list."""

from __future__ import annotations

from collections import Counter

from starlette.responses import Response

from app.domain.errors import BornierError, InvalidInputError
from app.services.station_import import MOST_LINES, StationList, Verdict, read_list
from app.web.adoption_words import COLUMN_NOTES, COLUMNS, VERDICTS
from app.web.forms import Form
from app.web.http import Visit
from app.web.uploads import upload_form

TEMPLATE = ("identity", "serial", "name", "place", "circuit", "max", "phases", "rotation")
MOST_BYTES = 32 * 1024
"""Of a list: twice what the longest one needs."""


async def page(visit: Visit) -> Response:
    """The form to send a list, and the stations that are expected."""
    return _page(visit, Form({"circuit_id": visit.services.circuits.tree().root.circuit_id}))


async def check(visit: Visit) -> Response:
    """What the list would change, line by line; nothing is written."""
    form = Form()
    try:
        form, data = await upload_form(visit, "file")
        if not data:
            data = form["text"].encode()
        listed = _read(data)
        circuit_id = _circuit(visit, form)
    except InvalidInputError as error:
        return _page(visit, form, visit.refuse(form, error))
    return _check_page(visit, listed, circuit_id, form.checked("adopt"))


async def import_list(visit: Visit) -> Response:
    """Writes what the page before has shown, judged anew."""
    form = Form()
    try:
        form, _ = await upload_form(visit, "file")
        listed = _read(form["text"].encode())
        circuit_id = _circuit(visit, form)
    except InvalidInputError as error:
        return _page(visit, form, visit.refuse(form, error))
    await visit.services.adoption.import_list(
        listed, circuit_id, adopt=form.checked("adopt"), actor=visit.actor
    )
    return visit.redirect("/stations/list", "stations-listed")


async def remove(visit: Visit) -> Response:
    """Forgets one expected station (``plan``), or all of them (``plan`` ``all``)."""
    form = await visit.form()
    adoption = visit.services.adoption
    wanted = form["plan"]
    plan_ids = [plan.plan_id for plan in adoption.plans()] if wanted == "all" else [wanted]
    await adoption.remove_plans(plan_ids, visit.actor)
    return visit.redirect("/stations/list", "stations-unlisted")


async def template(visit: Visit) -> Response:
    """The headings as a table for a spreadsheet, with a BOM so that accents survive."""
    heading = ";".join(visit.language.gettext(COLUMNS[column]) for column in TEMPLATE)
    return Response(
        f"{heading}\r\n".encode("utf-8-sig"),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="bornier-stations.csv"'},
    )


def _read(data: bytes) -> StationList:
    if len(data) > MOST_BYTES:
        raise InvalidInputError("import-too-long", field="file", most=MOST_LINES)
    return read_list(data)


def _circuit(visit: Visit, form: Form) -> str:
    circuits = {circuit.circuit_id for circuit in visit.services.circuits.tree()}
    return form.choice("circuit_id", circuits)


def _page(visit: Visit, form: Form, status: int = 200) -> Response:
    return visit.render(
        "station_list.html",
        status,
        form=form,
        plans=visit.services.adoption.plans(),
        circuits=visit.services.circuits.tree(),
        columns=[(COLUMNS[name], COLUMN_NOTES[name]) for name in TEMPLATE],
    )


def _check_page(visit: Visit, listed: StationList, circuit_id: str, adopt: bool) -> Response:
    lines = visit.services.adoption.compare(listed, circuit_id, adopt=adopt)

    def reason(error: BornierError) -> str:
        return visit.say(error)

    return visit.render(
        "station_list_check.html",
        listed=listed,
        lines=lines,
        counts=Counter(line.verdict for line in lines),
        writes=sum(line.writes for line in lines),
        verdicts=VERDICTS,
        all_verdicts=list(Verdict),
        columns=COLUMNS,
        reason=reason,
        text=as_text(listed),
        circuit_id=circuit_id,
        adopt=adopt,
        circuits=visit.services.circuits.tree(),
    )


def as_text(listed: StationList) -> str:
    """The list written plainly, to be sent back with the confirmation."""
    rows = [listed.columns, *([c.get(n, "") for n in listed.columns] for _, c in listed.lines)]
    quoted = (";".join(f'"{cell.replace(chr(34), chr(34) * 2)}"' for cell in row) for row in rows)
    return "\n".join(quoted) + "\n"
