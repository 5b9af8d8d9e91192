"""What can be ordered of many stations, as the pages offer it: words, fields and how they are read.

An action of ``services.bulk`` is offered once it has an entry here. ``fields`` names a macro of
``bulk_fields.html``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from app.domain.errors import InvalidInputError
from app.domain.remote import BulkJob
from app.domain.units import amperes_to_ma
from app.ocpp16.actions.types import MessageTrigger
from app.services.bulk_actions import BOX_FIELDS
from app.web.forms import Form
from app.web.i18n import N_

Params = dict[str, str]


def _nothing(_form: Form) -> Params:
    return {}


def _kind(form: Form) -> Params:
    return {"kind": form.choice("kind", ("soft", "hard"))}


def _message(form: Form) -> Params:
    return {"message": form.choice("message", [one.value for one in MessageTrigger])}


def _template(form: Form) -> Params:
    return {"template": form["template"]}


def _copied(prefix: str, name: str) -> Callable[[Form], Params]:
    def read(form: Form) -> Params:
        ticked = [field[len(prefix) :] for field in form.values if field.startswith(prefix)]
        return {"from": form["from"], name: " ".join(ticked)}

    return read


def _typed(form: Form) -> Params:
    """Settings in the manager; an empty field leaves a setting as it is."""
    params: Params = {}
    if form["circuit"]:
        params["circuit"] = form["circuit"]
    if form["max"].strip():
        params["max"] = str(form.current_ma("max", least_a=6, most_a=125))
    if form["fallback"].strip():
        params["fallback"] = str(form.current_ma("fallback", most_a=125))
    if form["weight"].strip():
        params["weight"] = str(amperes_to_ma(form.number("weight", least=0.1, most=10)))
    if form["priority"]:
        params["priority"] = str(form.whole("priority", least=0, most=3))
    if form["free"]:
        params["free"] = form.choice("free", ("on", "off"))
    if form["phases"]:
        params["phases"] = form.choice("phases", ("1", "3"))
    if not params:
        raise InvalidInputError("bulk-nothing-chosen")
    return params


class BulkForm(NamedTuple):
    """An action as offered; ``kind`` is the service's, ``fixed`` what is always asked of it."""

    kind: str
    label: str
    effect: str
    fields: str = ""
    read: Callable[[Form], Params] = _nothing
    fixed: Mapping[str, str] = {}
    danger: bool = False
    icon: str = "gear"


BULK_FORMS: dict[str, BulkForm] = {
    "restart": BulkForm(
        "restart",
        N_("Restart"),
        N_(
            "One after the other, three seconds apart, so that they do not come back all at once."
            " Gently: running charges end properly first."
        ),
        "restart",
        _kind,
        danger=True,
        icon="restart",
    ),
    "out-of-service": BulkForm(
        "availability",
        N_("Out of service"),
        N_("No new charge starts. A running one comes to its end first."),
        fixed={"to": "out"},
        danger=True,
        icon="ban",
    ),
    "in-service": BulkForm(
        "availability",
        N_("Back in service"),
        N_("They can be used again, whatever has put them out of service."),
        fixed={"to": "in"},
        icon="check",
    ),
    "settings": BulkForm(
        "settings",
        N_("Circuit, limits, priority…"),
        N_("Changes the settings in the manager. What is left empty stays as it is."),
        "settings",
        _typed,
    ),
    "copy-settings": BulkForm(
        "settings",
        N_("Copy settings of the manager"),
        N_("The ticked settings of one station, as the manager knows them, for all of these."),
        "copy_settings",
        _copied("f:", "fields"),
    ),
    "template": BulkForm(
        "template",
        N_("Apply a template"),
        N_("Writes the settings of the template into the stations, where they differ."),
        "template",
        _template,
        icon="list",
    ),
    "copy-keys": BulkForm(
        "copy-keys",
        N_("Copy settings of a station"),
        N_("Writes the ticked settings of one station into all of these, where they differ."),
        "copy_keys",
        _copied("k:", "keys"),
        icon="share",
    ),
    "read-configuration": BulkForm(
        "read-configuration",
        N_("Read the settings"),
        N_("Asks each station for all its settings. Nothing changes."),
        icon="download",
    ),
    "trigger": BulkForm(
        "trigger",
        N_("Ask for a message"),
        N_("Each station sends the message now, if it can. Nothing changes."),
        "trigger",
        _message,
        icon="pulse",
    ),
    "unlock": BulkForm(
        "unlock",
        N_("Unlock the connectors"),
        N_("Ends running charges and frees the plugs."),
        danger=True,
        icon="key",
    ),
    "clear-cache": BulkForm(
        "clear-cache",
        N_("Forget remembered badges"),
        N_("Each station asks the manager again for every badge."),
        icon="badge",
    ),
    "clear-profiles": BulkForm(
        "clear-profiles",
        N_("Clear all limits"),
        N_(
            "Removes every limit stored in the stations; their current without news is put back at"
            " once. Refused where a car charges."
        ),
        danger=True,
        icon="trash",
    ),
}
"""By name, in the order of the list."""

BOX_WORDS: Mapping[str, str] = {
    "circuit": N_("Circuit"),
    "max": N_("Maximum"),
    "fallback": N_("Current without news"),
    "weight": N_("Weight"),
    "priority": N_("Priority"),
    "free": N_("Free charging"),
    "phases": N_("Phases"),
}
assert set(BOX_WORDS) == set(BOX_FIELDS)


def label_of(job: BulkJob) -> str:
    """The words for a job's action, not translated."""
    for form in BULK_FORMS.values():
        same = form.kind == job.kind and form.fixed.items() <= job.params.items()
        if same and ("from" in job.params) == form.fields.startswith("copy"):
            return form.label
    return job.kind
