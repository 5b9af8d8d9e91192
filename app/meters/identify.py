"""Finding out how an unknown meter speaks, as a pure dialogue.

``identify`` yields read requests and is sent the words of each answer, ``None`` when the meter
refused or did not answer; it returns what it found. Only reads are ever asked for. The families
are probed in their declared order, because 0x2000 holds measurements on a single-phase Conto and
the set-up on the others.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence

import msgspec

from app.meters.decode import VOLTAGES, Decoder, Image, place
from app.meters.plausibility import plausible_voltage
from app.meters.scale import DIRECT
from app.meters.schema import Family, MeterModel, WordFormat


class ReadRequest(msgspec.Struct, frozen=True):
    """One read of ``count`` words."""

    function_code: int
    address: int
    count: int


class Finding(msgspec.Struct, frozen=True):
    """What the dialogue showed; ``family`` is ``None`` when no map gave plausible voltages.

    ``device_ids`` maps identification registers to their values, ``models`` are the labels of the
    references whose identifier answered.
    """

    family: str | None = None
    word_format: WordFormat = WordFormat.BIG
    function_code: int = 3
    device_ids: Mapping[int, int] = {}
    models: tuple[str, ...] = ()


Dialogue = Generator[ReadRequest, Sequence[int] | None, Finding]


def identify(families: Iterable[Family], models: Iterable[MeterModel] = ()) -> Dialogue:
    """The whole sequence: identifiers first, then the map of each family until one fits."""
    in_order = sorted(families, key=lambda family: family.order)
    ids: dict[int, int] = {}
    for address in _identity_addresses(in_order):
        words = yield ReadRequest(3, address, 1)
        if words:
            ids[address] = words[0]
    matching = tuple(
        model.label
        for model in models
        if model.device_id is not None and ids.get(model.device_id.address) == model.device_id.value
    )
    for family in in_order:
        for function_code in family.function_codes:
            words = yield ReadRequest(function_code, family.probe.start, family.probe.count)
            word_format = None if words is None else detect_word_format(family, words)
            if word_format is not None:
                return Finding(family.key, word_format, function_code, ids, matching)
    return Finding(device_ids=ids, models=matching)


def detect_word_format(family: Family, probe_words: Sequence[int]) -> WordFormat | None:
    """The format in which the family's probe block shows plausible voltages, if any.

    230 V is 0x00038270; the other two orders give absurd values.
    """
    image: Image = {}
    place(image, family, family.probe, probe_words)
    return detect_in_image(family, image, family.phases)


def detect_in_image(family: Family, image: Image, phases: int) -> WordFormat | None:
    """As ``detect_word_format``, on words already placed."""
    for word_format in WordFormat:
        values = Decoder(family, phases=phases, word_format=word_format).quantities(image, DIRECT)
        volts = [values[name] for name in VOLTAGES[:phases] if name in values]
        if len(volts) == phases and all(plausible_voltage(value) for value in volts):
            return word_format
    return None


def _identity_addresses(families: Iterable[Family]) -> list[int]:
    addresses = {block.start for family in families for block in family.identity_blocks}
    return sorted(addresses)
