"""``/settings/meters``: the meters, tested before they are saved."""

from __future__ import annotations

import msgspec
from starlette.responses import Response

from app.domain.errors import InvalidInputError, NotFoundError, UnsafeConfigurationError
from app.domain.meter import MeterConfig, MeterPlacement
from app.services.circuits import MeterTest
from app.web.forms import Form
from app.web.http import Visit
from app.web.pages.circuits import identifier
from app.web.wording import WORD_FORMATS


async def page(visit: Visit) -> Response:
    """Configured meters with their present values."""
    configuration = visit.services.circuits.configuration()
    views = {} if visit.site is None else {view.meter_id: view for view in visit.site.meters}
    return visit.render(
        "meters.html",
        meters=configuration.meters,
        views=views,
        tree=visit.services.circuits.tree(),
    )


async def add_page(visit: Visit) -> Response:
    """An empty form."""
    values = {
        "port": "502",
        "unit_id": "1",
        "placement": MeterPlacement.SUPPLY.value,
        "word_format": "big",
        "circuit_id": visit.services.circuits.tree().root.circuit_id,
    }
    return _form(visit, Form(values), None)


async def add(visit: Visit) -> Response:
    """Tests or adds a meter."""
    return await _test_or_save(visit, None)


async def edit_page(visit: Visit) -> Response:
    """The form with the meter's values."""
    meter = _meter(visit)
    values = {
        "model": meter.model,
        "host": meter.host,
        "port": str(meter.port),
        "unit_id": str(meter.unit_id),
        "circuit_id": meter.circuit_id,
        "placement": meter.placement.value,
        "word_format": meter.word_format,
        "generation": "on" if meter.generation else "",
    }
    return _form(visit, Form(values), meter)


async def edit(visit: Visit) -> Response:
    """Tests or saves the meter."""
    return await _test_or_save(visit, _meter(visit))


async def remove_page(visit: Visit) -> Response:
    """Asks before removing."""
    return visit.render("meter_remove.html", meter=_meter(visit), refusal="")


async def remove(visit: Visit) -> Response:
    """Removes the meter."""
    meter = _meter(visit)
    await visit.form()
    try:
        await visit.services.circuits.remove_meter(meter.meter_id, visit.actor)
    except (InvalidInputError, UnsafeConfigurationError) as error:
        return visit.render("meter_remove.html", 422, meter=meter, refusal=visit.say(error))
    return visit.redirect("/settings/meters", "meter-removed")


async def _test_or_save(visit: Visit, before: MeterConfig | None) -> Response:
    form = await visit.form()
    try:
        config = _read(visit, form, before)
        if form["action"] == "test":
            return _form(visit, form, before, test=await visit.services.circuits.test_meter(config))
        await visit.services.circuits.save_meter(config, visit.actor)
    except (InvalidInputError, UnsafeConfigurationError) as error:
        return _form(visit, form, before, visit.refuse(form, error))
    return visit.redirect("/settings/meters", "meter-saved")


def _meter(visit: Visit) -> MeterConfig:
    meter_id = visit.request.path_params["meter_id"]
    for meter in visit.services.circuits.configuration().meters:
        if meter.meter_id == meter_id:
            return meter
    raise NotFoundError("meter-unknown", meter=meter_id)


def _read(visit: Visit, form: Form, before: MeterConfig | None) -> MeterConfig:
    services = visit.services.circuits
    model = form.choice("model", {info.label for info in services.meter_models()})
    taken = {meter.meter_id for meter in services.configuration().meters}
    read = MeterConfig(
        meter_id=before.meter_id if before else identifier(model, taken),
        model=model,
        host=form.text("host", most=253, needed=True),
        port=form.whole("port", least=1, most=65_535),
        unit_id=form.whole("unit_id", least=0, most=255),
        circuit_id=form.choice("circuit_id", {circuit.circuit_id for circuit in services.tree()}),
        placement=MeterPlacement(form.choice("placement", set(MeterPlacement))),
        word_format=form.choice("word_format", WORD_FORMATS),
        generation=form.checked("generation"),
    )
    if before is None:
        return read
    return msgspec.structs.replace(read, poll_period_s=before.poll_period_s)


def _form(
    visit: Visit,
    form: Form,
    meter: MeterConfig | None,
    status: int = 200,
    *,
    test: MeterTest | None = None,
) -> Response:
    services = visit.services.circuits
    return visit.render(
        "meter_form.html",
        status,
        form=form,
        meter=meter,
        models=services.meter_models(),
        circuits=services.tree(),
        placements=MeterPlacement,
        test=test,
        test_error="" if test is None or test.error_key is None else visit.say_key(test.error_key),
        verdicts=[] if test is None else [visit.say_key(key) for key in test.verdicts],
    )
