"""The 30 references as simulated: which register layouts each answers with.

Where the maker's table is not public the layout is the likeliest one (that of the
sibling product); the manager says so to its user, the simulator just plays it.
"""

from __future__ import annotations

import enum

import msgspec


class Layout(enum.Enum):
    """Register layouts of the IME world."""

    WORDS_1000 = "0x1000"
    BYTES_0301 = "0x0301"
    WORDS_5000 = "0x5000"
    WORDS_2000 = "0x2000"


class SimulatedModel(msgspec.Struct, frozen=True):
    """One reference; ``ids`` maps identification registers to what they hold."""

    name: str
    layouts: tuple[Layout, ...]
    phases: int = 3
    functions: tuple[int, ...] = (3,)
    ktv_per_count: float = 0.1
    ids: dict[int, int] = {}


def _multifunction(name: str, *more: Layout, **details: object) -> SimulatedModel:
    return msgspec.structs.replace(SimulatedModel(name, (Layout.WORDS_1000, *more)), **details)


def _three_phase(name: str) -> SimulatedModel:
    return SimulatedModel(name, (Layout.WORDS_5000,), functions=(4,))


def _single_phase(name: str) -> SimulatedModel:
    return SimulatedModel(name, (Layout.WORDS_2000,), phases=1)


MODELS: dict[str, SimulatedModel] = {
    model.name: model
    for model in (
        _single_phase("Legrand 4 120 68"),
        *(
            _three_phase(f"Legrand 4 120 {number}")
            for number in (81, 83, 91, 93, 41, 43, 74, 75)
        ),
        _multifunction(
            "BTicino F4N200", functions=(3, 4), ktv_per_count=0.01, ids={0x0300: 0x0006}
        ),
        _multifunction("BTicino F4N300", ktv_per_count=0.01),
        _multifunction("BTicino F4N400", ktv_per_count=0.01),
        _single_phase("BTicino F21DM63N"),
        _three_phase("BTicino F41DM63N"),
        _three_phase("BTicino F41TMAN"),
        _three_phase("BTicino F41DM125"),
        _multifunction("IME Nemo D4-e"),
        _multifunction("IME Nemo D4-Le"),
        _multifunction("IME Nemo 96HD-e"),
        _multifunction("IME Nemo 96HD-Le", Layout.BYTES_0301),
        _multifunction("IME Nemo 96HD+", Layout.BYTES_0301, ids={0x1204: 0x0010}),
        _single_phase("IME Conto D1"),
        _single_phase("IME Conto D2"),
        _single_phase("IME Conto D2 MID"),
        *(
            _three_phase(f"IME Conto {ref}")
            for ref in (
                "D4-Pd", "D4-Pd MID", "D4-Pt", "D4-Pt MID", "D6-Pd", "D6-Pd MID",
            )
        ),
    )
}  # fmt: skip

LEGACY = SimulatedModel("IME Nemo D4-L+", (Layout.BYTES_0301,))
"""Not a catalogue reference: a meter that speaks nothing but the byte-addressed layout."""


def find_model(name: str) -> SimulatedModel:
    """A reference by its name, with or without the brand; raises ``KeyError``."""
    wanted = name.casefold().replace(" ", "")
    for model in MODELS.values():
        brand, ref = model.name.split(" ", 1)
        if wanted in {(brand + ref).casefold().replace(" ", ""), ref.casefold().replace(" ", "")}:
            return model
    raise KeyError(name)
