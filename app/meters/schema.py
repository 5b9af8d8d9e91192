"""What a meter profile says, as data: register maps (families) and references (models).

The files are ``profiles/families/*.yaml``, ``profiles/models/*.yaml`` and ``profiles/sources.yaml``;
unknown keys are refused, so a typing mistake in a profile is found when the catalogue is built.
Addresses are 0-based PDU addresses.
"""

from __future__ import annotations

import enum
from typing import Annotated

import msgspec

Address = Annotated[int, msgspec.Meta(ge=0, le=0xFFFF)]
WordCount = Annotated[int, msgspec.Meta(ge=1, le=125)]
FunctionCode = Annotated[int, msgspec.Meta(ge=3, le=4)]
"""3 (holding registers) or 4 (input registers): a profile cannot name a writing function."""


class WordFormat(enum.StrEnum):
    """Order of the four bytes A B C D (A most significant) of a 32-bit value on the wire."""

    BIG = "big"
    """A B C D, the usual one."""
    SWAP = "swap"
    """C D A B: low word first."""
    LITTLE = "little"
    """D C B A: low word first and low byte first."""


class Kind(enum.StrEnum):
    """How a register's words become a raw integer."""

    UINT8 = "uint8"
    """One byte of a byte-addressed map, read alone, in a word whose high byte is 0."""
    UINT16 = "uint16"
    INT16 = "int16"
    UINT32 = "uint32"
    INT32 = "int32"

    @property
    def words(self) -> int:
        """16-bit words on the wire."""
        return 2 if self in {Kind.UINT32, Kind.INT32} else 1

    @property
    def span_bytes(self) -> int:
        """Bytes of the meter's memory."""
        return 1 if self is Kind.UINT8 else 2 * self.words


class ScaleRule(enum.StrEnum):
    """Scales that depend on the transformer ratios; see ``app.meters.scale``."""

    POWER = "power_by_ratio"
    ENERGY = "energy_by_ratio"
    KTV = "ktv"


class Confidence(enum.StrEnum):
    """How sure we are of an identity or of a register map."""

    A = "A"
    B = "B"
    C = "C"
    D = "D"

    @property
    def meaning(self) -> str:
        """The letter in plain words (English, a key of the translation catalogue)."""
        return _MEANINGS[self]


_MEANINGS = {
    Confidence.A: "Read in a document of the manufacturer",
    Confidence.B: "Confirmed by third-party tables or working readers",
    Confidence.C: "Inferred from a sibling model",
    Confidence.D: "Best guess, to be confirmed on the meter",
}


class Register(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One quantity.

    ``scale`` turns the raw integer into ``unit``; ``sign`` is the address of a flag, 0 for import
    and 1 for export, that gives a magnitude its sign; ``magnitude`` means the sign of the raw
    value is not to be believed; ``only`` names the models that have the register.
    """

    name: str
    address: Address
    kind: Kind
    scale: float | ScaleRule = 1.0
    unit: str = ""
    sign: Address | None = None
    magnitude: bool = False
    scale_confirmed: bool = True
    confidence: Confidence = Confidence.B
    only: tuple[str, ...] = ()
    note: str = ""


class Block(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One read request; an ``optional`` one may fail without spoiling the reading."""

    start: Address
    count: WordCount
    optional: bool = False


class ReadPlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The requests of one reading."""

    name: str
    blocks: tuple[Block, ...]


class Family(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A register map shared by several references.

    ``order`` is its rank when an unknown meter is probed with ``probe``, a block that holds the
    phase voltages. ``function_codes`` and ``read_plans`` are tried in order: the next when the
    meter answers that it does not know the function (01), or refuses the range (02, 03).
    ``slow_blocks`` (ratios, counters of slow maps) are read at start and every ten minutes.
    In a ``byte_addressed`` map one address step is one byte, although words are returned.
    """

    key: str
    title: str
    order: int
    confidence: Confidence
    function_codes: Annotated[tuple[FunctionCode, ...], msgspec.Meta(min_length=1)]
    probe: Block
    read_plans: Annotated[tuple[ReadPlan, ...], msgspec.Meta(min_length=1)]
    registers: tuple[Register, ...]
    phases: int = 3
    byte_addressed: bool = False
    ktv_scale: float = 0.1
    invalid_raw: tuple[int, ...] = ()
    slow_blocks: tuple[Block, ...] = ()
    identity_blocks: tuple[Block, ...] = ()
    notes: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()

    def step(self, words: int = 1) -> int:
        """Address steps of ``words`` words."""
        return 2 * words if self.byte_addressed else words


class DeviceId(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A register whose value names the model."""

    address: Address
    value: int


class MeterModel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A catalogue reference.

    ``family`` is the map to try first, ``candidates`` all that are worth trying, that one
    included. ``identity_confidence`` says how sure we are of what the product is, ``confidence``
    of its register map.
    """

    brand: str
    ref: str
    family: str
    candidates: tuple[str, ...]
    phases: Annotated[int, msgspec.Meta(ge=1, le=3)]
    identity_confidence: Confidence
    confidence: Confidence
    connection: str
    description: str
    interface: str
    max_current_a: float | None = None
    ktv_scale: float | None = None
    device_id: DeviceId | None = None
    equivalents: tuple[str, ...] = ()
    serial: str = ""
    tcp: str = ""
    sources: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """Brand and reference, as written on the product ("IME Nemo D4-Le")."""
        return f"{self.brand} {self.ref}"
