"""The fabric: functional units, their links, chains, guards, and the memories that feed them."""

from __future__ import annotations

from dataclasses import dataclass

from accelgen.affine.spacetime import IntVector, SpaceTime, TensorAccess
from accelgen.fabric.access import AccessPattern
from accelgen.fabric.banks import BankedAccess
from accelgen.fabric.chain import Chain
from accelgen.fabric.interconnect import Interconnect
from accelgen.fabric.reduction import Reduction
from accelgen.reuse.schedule import Schedule

__all__ = ["Fabric", "Guard", "InputPlan", "OutputPlan"]


@dataclass(frozen=True)
class Guard:
    """A condition ``low <= v(t) <= high`` on one affine index ``v(t) = steps @ t + origin``.

    ``low``/``high`` is ``None`` where the loop bounds already imply that side.  Of a displacement
    ``w`` of ``v``, ``low`` is ``-w`` and ``high`` the bound less ``1 + w``.
    """

    dimension: int
    low: int | None
    high: int | None


@dataclass(frozen=True)
class InputPlan:
    """How one input tensor reaches the units.

    ``hold`` is the loop level from which the tensor stays in a unit's register (``None``: it
    streams).  ``slot[u]`` is the memory slot of unit ``u`` (-1: none of its own); with a
    ``chain`` only the unit at the head of each run has one.
    """

    tensor: TensorAccess
    interconnect: Interconnect
    hold: int | None
    chain: Chain | None
    pattern: AccessPattern
    banked: BankedAccess
    slot: IntVector


@dataclass(frozen=True)
class OutputPlan:
    """How the products become output elements in memory.

    ``hold`` is the loop level from which a group accumulates in its own register (``None``:
    every iteration goes to memory).  ``slot[g]`` is the memory slot group ``g`` writes to (-1
    inside a drain chain) and ``accumulate`` says that the memory adds to what it holds.
    ``guards[p]`` are the conditions under which slot ``p`` writes, on the output's indices;
    ``runs[p]`` is the number of groups that drain through it.
    """

    tensor: TensorAccess
    reduction: Reduction
    hold: int | None
    chain: Chain | None
    pattern: AccessPattern
    banked: BankedAccess
    slot: IntVector
    accumulate: bool
    guards: tuple[tuple[Guard, ...], ...]
    runs: IntVector


@dataclass(frozen=True)
class Fabric:
    """One dataflow laid out: the value the netlist is built from.

    ``offsets[u]`` is the skew of unit ``u`` in cycles; ``guards[u]`` the conditions on the
    iteration vector (without the unit's own displacement folded in) under which unit ``u``
    contributes.
    """

    kernel: SpaceTime
    schedule: Schedule
    offsets: IntVector
    inputs: tuple[InputPlan, ...]
    output: OutputPlan
    guards: tuple[tuple[Guard, ...], ...]
    bus_bits: int
    programmable: bool = False
    """Whether the bounds are those of one problem of many."""

    @property
    def plans(self) -> tuple[InputPlan | OutputPlan, ...]:
        """The plans of all tensors, the output's last."""
        return (*self.inputs, self.output)

    @property
    def prologue(self) -> int:
        """Cycles before the first iteration in which stationary tensors are loaded."""
        return max(0, *(-plan.pattern.start for plan in self.inputs))

    @property
    def domain(self) -> AccessPattern:
        """The main loop nest, which moves through the iteration domain as if it were a tensor."""
        kernel, schedule = self.kernel, self.schedule
        return AccessPattern(
            "domain",
            schedule.extents,
            schedule.strides,
            0,
            kernel.time_matrix,
            kernel.offset,
            ((0,) * len(kernel.loops),),
        )

    def check(self) -> None:
        """Assert what the netlist relies on."""
        self.schedule.check()
        assert min(self.offsets) == 0
        for plan in self.plans:
            plan.pattern.check()
            plan.banked.check()
            if plan.chain is not None:
                plan.chain.check()
        for operand in self.inputs:
            operand.interconnect.check()
        self.output.reduction.check(self.offsets)
