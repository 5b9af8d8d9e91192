"""All profiles together: checked once when built, then looked up by what is written on a meter."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping

import msgspec

from app.domain.errors import InvalidInputError, NotFoundError
from app.meters.decode import CURRENTS
from app.meters.schema import Family, MeterModel, ReadPlan


class Catalogue:
    """Families by key, models sorted by brand and reference, and the sources they cite."""

    def __init__(
        self,
        families: Mapping[str, Family],
        models: tuple[MeterModel, ...],
        sources: Mapping[str, str],
    ) -> None:
        self.families = families
        self.models = models
        self.sources = sources
        self._by_key: dict[str, MeterModel] = {}
        for model in models:
            for name in (model.label, model.ref):
                self._by_key[_key(name)] = model

    def model(self, name: str) -> MeterModel:
        """The reference called ``name``; brand, case, spaces and dashes are optional.

        Raises ``NotFoundError`` when there is none.
        """
        found = self._by_key.get(_key(name))
        if found is None:
            raise NotFoundError("meter-unknown-model", model=name)
        return found

    def family_of(self, model: MeterModel) -> Family:
        """The map to try first on this reference."""
        return self.families[model.family]


def build_catalogue(
    families: Iterable[object], models: Iterable[object], sources: Mapping[str, str]
) -> Catalogue:
    """Builds the catalogue from parsed profile files (plain dictionaries and lists).

    Raises ``InvalidInputError`` when a profile does not follow the schema or contradicts itself.
    """
    try:
        known = {
            family.key: family for family in (msgspec.convert(item, Family) for item in families)
        }
        references = msgspec.convert(list(models), tuple[MeterModel, ...])
    except msgspec.ValidationError as error:
        raise InvalidInputError("meter-profile-invalid", detail=str(error)) from error
    for family in known.values():
        _check_family(family, sources)
    for model in references:
        _check_model(model, known, sources)
    if len({_key(model.ref) for model in references}) != len(references):
        raise _contradiction("models", "two references have the same name")
    ordered = tuple(sorted(references, key=lambda model: (model.brand.casefold(), model.ref)))
    return Catalogue(known, ordered, sources)


def _key(name: str) -> str:
    return "".join(char for char in name.casefold() if char.isalnum() or char == "+")


def _check_family(family: Family, sources: Mapping[str, str]) -> None:
    names = [register.name for register in family.registers]
    if len(set(names)) != len(names):
        raise _contradiction(family.key, "a register name is used twice")
    by_address = sorted(family.registers, key=lambda register: register.address)
    for first, second in itertools.pairwise(by_address):
        in_bytes = family.byte_addressed and first.address < _RATIO_BLOCK
        span = first.kind.span_bytes if in_bytes else first.kind.words
        if first.address + span > second.address:
            raise _contradiction(family.key, f"{first.name} and {second.name} overlap")
    addresses = {register.address for register in family.registers}
    flags = {register.sign for register in family.registers if register.sign is not None}
    if not flags <= addresses:
        raise _contradiction(family.key, "a sign flag has no register")
    for plan in family.read_plans:
        _check_plan(family, plan)
    _check_sources(family.key, family.sources, sources)


_RATIO_BLOCK = 0x1200
"""Word-addressed on every meter that has it."""


def _check_plan(family: Family, plan: ReadPlan) -> None:
    read: set[int] = set()
    for block in plan.blocks:
        if not block.optional:
            read.update(block.start + family.step(index) for index in range(block.count))
    for name in CURRENTS[: family.phases]:
        register = next((item for item in family.registers if item.name == name), None)
        if register is None:
            raise _contradiction(family.key, f"there is no {name}")
        if not {register.address, register.address + family.step()} <= read:
            raise _contradiction(family.key, f"plan '{plan.name}' does not read {name}")


def _check_model(
    model: MeterModel, families: Mapping[str, Family], sources: Mapping[str, str]
) -> None:
    if model.family not in model.candidates or not set(model.candidates) <= families.keys():
        raise _contradiction(model.label, "its families are not all known")
    _check_sources(model.label, model.sources, sources)


def _check_sources(owner: str, cited: tuple[str, ...], sources: Mapping[str, str]) -> None:
    if not set(cited) <= sources.keys():
        raise _contradiction(owner, "it cites a source that is not listed")


def _contradiction(owner: str, detail: str) -> InvalidInputError:
    return InvalidInputError("meter-profile-invalid", owner=owner, detail=detail)
