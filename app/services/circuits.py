"""The electrical installation: circuits and meters, edited under the eye of the worst case."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec

from app.domain.circuit import Circuit, CircuitTree
from app.domain.errors import InvalidInputError, NotFoundError
from app.domain.meter import MeterConfig
from app.services.configuration import ConfigurationService
from app.services.ports import SiteConfiguration


class MeterModelInfo(msgspec.Struct, frozen=True):
    """A selectable meter. ``confidence`` is A (maker's document) to D (guess)."""

    label: str
    confidence: str
    confidence_meaning: str
    family: str
    phases: int
    note: str = ""


class MeterTest(msgspec.Struct, frozen=True):
    """What one trial reading gave: values as (name, value, unit), verdicts as message keys."""

    ok: bool
    error_key: str | None = None
    values: tuple[tuple[str, float, str], ...] = ()
    verdicts: tuple[str, ...] = ()


MeterTester = Callable[[MeterConfig], Awaitable[MeterTest]]


class CircuitService:
    """What the pages may do with circuits and meters."""

    def __init__(
        self,
        configuration: ConfigurationService,
        models: tuple[MeterModelInfo, ...],
        tester: MeterTester,
    ) -> None:
        self._configuration = configuration
        self._models = models
        self._tester = tester

    def configuration(self) -> SiteConfiguration:
        """The configuration in force."""
        return self._configuration.current

    def tree(self) -> CircuitTree:
        """The circuits in force, parents before children."""
        return CircuitTree(self._configuration.current.circuits)

    async def save_circuit(self, circuit: Circuit, actor: str, *, new: bool) -> None:
        """Adds or changes a circuit.

        Raises ``InvalidInputError`` or ``UnsafeConfigurationError`` with the arithmetic.
        """
        await self._configuration.replace_circuit(circuit, actor, new=new)

    async def remove_circuit(self, circuit_id: str, actor: str) -> None:
        """Removes a circuit that feeds nothing any more."""
        current = self._configuration.current
        circuit = next((item for item in current.circuits if item.circuit_id == circuit_id), None)
        if circuit is None:
            raise NotFoundError("circuit-unknown", circuit=circuit_id)
        if circuit.parent_id is None:
            raise InvalidInputError("circuit-root-stays", circuit=circuit.name)
        feeds = [item.name for item in current.circuits if item.parent_id == circuit_id]
        feeds += [item.name for item in current.stations if item.circuit_id == circuit_id]
        feeds += [item.model for item in current.meters if item.circuit_id == circuit_id]
        if feeds:
            raise InvalidInputError(
                "circuit-in-use", circuit=circuit.name, count=len(feeds), first=feeds[0]
            )
        circuits = tuple(item for item in current.circuits if item.circuit_id != circuit_id)
        await self._configuration.apply(
            msgspec.structs.replace(current, circuits=circuits),
            actor,
            "circuit-removed",
            circuit.name,
        )

    async def move_circuit(self, circuit_id: str, up: bool, actor: str) -> None:
        """Puts a circuit before (``up``) or behind its neighbour; first and last stay."""
        tree = self.tree()
        circuit = _known(tree, circuit_id)
        if circuit.parent_id is None:
            raise InvalidInputError("circuit-root-stays", circuit=circuit.name)
        siblings = [item.circuit_id for item in tree.children(circuit.parent_id)]
        at = siblings.index(circuit_id)
        other = at - 1 if up else at + 1
        if not 0 <= other < len(siblings):
            return
        swapped = {circuit_id: tree[siblings[other]], siblings[other]: circuit}
        await self._reorder([swapped.get(item.circuit_id, item) for item in tree], circuit, actor)

    async def attach_circuit(self, circuit_id: str, parent_id: str, actor: str) -> None:
        """Lets another circuit feed this one and all below it.

        Raises ``InvalidInputError`` or ``UnsafeConfigurationError`` with the arithmetic.
        """
        tree = self.tree()
        circuit = _known(tree, circuit_id)
        if circuit.parent_id is None:
            raise InvalidInputError("circuit-root-stays", field="parent", circuit=circuit.name)
        moved = msgspec.structs.replace(circuit, parent_id=parent_id)
        await self._reorder([moved if item is circuit else item for item in tree], circuit, actor)

    async def _reorder(self, circuits: list[Circuit], moved: Circuit, actor: str) -> None:
        # In the order of the tree: whoever reads them back finds parents before children.
        ordered = CircuitTree(circuits).circuits
        await self._configuration.apply(
            msgspec.structs.replace(self._configuration.current, circuits=ordered),
            actor,
            "circuit-moved",
            moved.name,
        )

    async def rename_site(self, name: str, timezone: str, actor: str) -> None:
        """Sets the site's name and time zone."""
        changed = msgspec.structs.replace(
            self._configuration.current, name=name.strip()[:80], timezone=timezone
        )
        await self._configuration.apply(changed, actor, "site-renamed", name.strip()[:80])

    async def save_meter(self, config: MeterConfig, actor: str) -> None:
        """Adds or changes a meter; its poller restarts."""
        if all(model.label != config.model for model in self._models):
            raise InvalidInputError("meter-unknown-model", field="model", model=config.model)
        await self._configuration.replace_meter(config, actor)

    async def remove_meter(self, meter_id: str, actor: str) -> None:
        """Removes a meter; its circuit then counts on its declared background."""
        current = self._configuration.current
        kept = tuple(item for item in current.meters if item.meter_id != meter_id)
        if len(kept) == len(current.meters):
            raise NotFoundError("meter-unknown", meter=meter_id)
        await self._configuration.apply(
            msgspec.structs.replace(current, meters=kept), actor, "meter-removed", meter_id
        )

    def meter_models(self) -> tuple[MeterModelInfo, ...]:
        """Every meter that can be chosen."""
        return self._models

    async def test_meter(self, config: MeterConfig) -> MeterTest:
        """Reads the meter once, without saving anything."""
        return await self._tester(config)


def _known(tree: CircuitTree, circuit_id: str) -> Circuit:
    if circuit_id not in tree:
        raise NotFoundError("circuit-unknown", circuit=circuit_id)
    return tree[circuit_id]
