"""What of a fabric the bounds do not change: who sums, who holds, who links, which chains."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from accelgen.affine.spacetime import IntVector, SpaceTime, TensorAccess
from accelgen.fabric.chain import Chain, choose_chain
from accelgen.fabric.interconnect import Interconnect, connect
from accelgen.fabric.reduction import Reduction, reduce_in_space
from accelgen.fabric.space import Grid
from accelgen.names import FrozenMap
from accelgen.reuse.schedule import Schedule, chain_pads, hold_level, residency

__all__ = ["Draft", "Structure", "decide"]


@dataclass(frozen=True)
class Structure:
    """The choices a fabric is laid out by, by tensor name where there is one per tensor.

    ``hold`` is the loop level from which a tensor stays in a unit (``None``: it streams);
    ``links`` the sources of the inputs; ``chains`` the shift chains of what is held.
    """

    reduction: Reduction
    hold: Mapping[str, int | None]
    links: Mapping[str, Interconnect]
    chains: Mapping[str, Chain | None]

    def schedule(self, kernel: SpaceTime) -> Schedule:
        """The schedule of ``kernel``, stretched where a chain outlasts a tile."""
        longest: dict[int, int] = {}
        for name, chain in self.chains.items():
            level = self.hold[name]
            if chain is not None and level is not None:
                longest[level] = max(longest.get(level, 1), chain.cycles)
        return chain_pads(kernel, longest)


@dataclass
class Draft:
    """A structure in the making.

    Stationary tensors come first because their chains may stretch the schedule, on which the
    depths of all links through time depend.
    """

    kernel: SpaceTime
    grid: Grid
    offsets: IntVector
    reduction: Reduction
    hold: Mapping[str, int | None]
    links: dict[str, Interconnect]
    chains: dict[str, Chain | None]

    @classmethod
    def begin(cls, kernel: SpaceTime) -> Draft:
        """Choose sums and stationarity."""
        grid = Grid(kernel.space_extents)
        unstretched = chain_pads(kernel, {})
        offsets = tuple(unstretched.offset(s) for s in grid.points.tolist())
        reduction = reduce_in_space(kernel, grid, offsets)
        hold = FrozenMap({t.name: _hold(kernel, t) for t in kernel.tensors})
        return cls(kernel, grid, offsets, reduction, hold, {}, {})

    def chain(self, tensor: str, prefer: tuple[int, int] | None = None) -> Chain | None:
        """The chain of a tensor, an input's links being known; ``prefer`` is an axis and a
        direction, see :func:`choose_chain`.
        """
        if tensor == self.kernel.output.name:
            return _drain_chain(self.kernel, self.grid, self.reduction, self.hold[tensor], prefer)
        links = self.links[tensor]
        return _load_chain(self.kernel, self.grid, links, self.hold[tensor], self.offsets, prefer)

    def structure(self) -> Structure:
        """What is chosen so far."""
        links, chains = FrozenMap(self.links), FrozenMap(self.chains)
        return Structure(self.reduction, self.hold, links, chains)


def decide(kernel: SpaceTime) -> Structure:
    """Choose sums, stationarity, links and chains of one dataflow."""
    draft = Draft.begin(kernel)
    for tensor in kernel.inputs:
        if draft.hold[tensor.name] is not None:
            draft.links[tensor.name] = connect(kernel, tensor, draft.grid, None)
            draft.chains[tensor.name] = draft.chain(tensor.name)
    draft.chains[kernel.output.name] = draft.chain(kernel.output.name)
    schedule = draft.structure().schedule(kernel)
    for tensor in kernel.inputs:
        if tensor.name not in draft.links:
            draft.links[tensor.name] = connect(kernel, tensor, draft.grid, schedule)
    return draft.structure()


def _hold(kernel: SpaceTime, tensor: TensorAccess) -> int | None:
    level = hold_level(kernel, tensor)
    return level if level < len(kernel.time) else None


def _pinned(kernel: SpaceTime, tensor: str) -> tuple[bool, int | None]:
    """Whether the description decides the chain of a tensor, and the axis it names."""
    for name, axis in kernel.chains:
        if name == tensor:
            return True, None if axis is None else kernel.space.index(axis)
    return False, None


def _tile_cycles(kernel: SpaceTime, level: int) -> int:
    """Cycles a tile lasts as far as chains care: unbounded when there is only one tile."""
    return residency(kernel, level) if level > 0 else 1 << 62


def _load_chain(
    kernel: SpaceTime,
    grid: Grid,
    links: Interconnect,
    level: int | None,
    offsets: IntVector,
    prefer: tuple[int, int] | None,
) -> Chain | None:
    decided, axis = _pinned(kernel, links.tensor)
    if level is None or (decided and axis is None):
        return None
    units = links.ported
    return choose_chain(
        units,
        {u: grid.coordinates(u) for u in units},
        dict(enumerate(offsets)),
        skew=kernel.skew,
        residency=_tile_cycles(kernel, level),
        flow="load",
        pinned=axis,
        where=f"chain of {links.tensor}",
        prefer=prefer,
    )


def _drain_chain(
    kernel: SpaceTime,
    grid: Grid,
    reduction: Reduction,
    level: int | None,
    prefer: tuple[int, int] | None,
) -> Chain | None:
    decided, axis = _pinned(kernel, kernel.output.name)
    if level is None or (decided and axis is None):
        return None
    groups = reduction.groups
    return choose_chain(
        range(len(groups)),
        {g: grid.coordinates(group.ends[0]) for g, group in enumerate(groups)},
        {g: group.offset for g, group in enumerate(groups)},
        skew=kernel.skew,
        residency=_tile_cycles(kernel, level),
        flow="drain",
        pinned=axis,
        where=f"chain of {kernel.output.name}",
        prefer=prefer,
    )
