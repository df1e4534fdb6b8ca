"""The closed-form cycle model: what the generated hardware takes, to the cycle."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from accelgen.fabric.fabric import Fabric, InputPlan, OutputPlan
from accelgen.rtl.output_stage.form import StageForm, planes
from accelgen.rtl.output_stage.stage import OutputStage
from accelgen.rtl.streams.adder import StreamAdder
from accelgen.rtl.streams.collector import Collector
from accelgen.rtl.streams.loader import Loader
from accelgen.rtl.streams.rounder import Rounder

__all__ = ["START_CYCLES", "CycleModel", "model_cycles"]

START_CYCLES = 2
"""From the first cycle in which all inputs are complete to the issue of an iteration that waits
for no stationary tensor: decide to start, start the loop nest."""


@dataclass(frozen=True)
class CycleModel:
    """Cycles of one problem and what they are made of.

    ``compute = issue + skew_and_drain + pipeline`` and ``total = load + START_CYCLES + prologue
    + compute + unload`` (the last two parts overlap by the cycle of the last write, the first
    two by that in which the inputs are complete).
    """

    issue: int
    """From the first to the last issue of an iteration, both counted: iterations, plus what
    stationary tensors stretch."""
    skew_and_drain: int
    """From the last issue to the last sum leaving the array, as the dataflow has it."""
    pipeline: int
    """Pipeline registers on that way, and writing the element."""
    load: int
    """From the first beat to the first cycle with all inputs, and parameters, complete."""
    prologue: int
    """Loading the first tile of stationary tensors."""
    unload: int
    """From the last write to the last beat, rounding, adding what came in, and an output stage
    included."""
    iterations: int
    """Iterations of the problem."""
    units: int
    """Functional units of the array."""
    chain_wait: int = 0
    """Of ``issue``, the cycles in which no iteration is issued because a shift chain is busy."""
    waiting: tuple[str, ...] = ()
    """The stationary tensors whose chains are waited for."""

    @property
    def compute_cycles(self) -> int:
        """Cycles in which ``busy`` is high."""
        return self.issue + self.skew_and_drain + self.pipeline

    @property
    def total_cycles(self) -> int:
        """From the first accepted input beat to the last accepted output beat, both counted."""
        return self.load + START_CYCLES - 2 + self.prologue + self.compute_cycles + self.unload

    @property
    def utilisation(self) -> float:
        """The share (0 to 1) of all units and compute cycles in which an iteration is executed."""
        return self.iterations / (self.units * self.compute_cycles)


def model_cycles(
    fabric: Fabric,
    pipeline_latency: int,
    rounding_latency: int | None = None,
    *,
    accumulate_in: bool = False,
    stage: StageForm | None = None,
) -> CycleModel:
    """The cycles of a fabric whose pipeline (see passes) has the given latency, and that of its
    rounding where results are rounded; ``accumulate_in``: of a design with such a stream;
    ``stage``: of one with this output stage, whose parameters are loaded beside the inputs.
    """
    output = fabric.output
    layouts = [plan.banked.layout for plan in fabric.inputs]
    if stage is not None:
        channels, _, _ = planes(output.tensor.shape)
        layouts.append(stage.parameters(channels, fabric.bus_bits))
        unload = OutputStage.cycles(stage, output.banked.layout)
    else:
        unload = (
            Collector.cycles(output.banked.layout)
            + (0 if rounding_latency is None else Rounder.latency_of(rounding_latency))
            + (StreamAdder.LATENCY if accumulate_in else 0)
        )
    return CycleModel(
        issue=fabric.schedule.last + 1,
        skew_and_drain=output.pattern.last - fabric.schedule.last,
        pipeline=pipeline_latency + output.banked.write_latency(output.accumulate) - 1,
        load=max(map(Loader.cycles, layouts)),
        prologue=fabric.prologue,
        unload=unload,
        iterations=prod(fabric.kernel.bounds),
        units=fabric.kernel.units,
        chain_wait=fabric.schedule.last + 1 - prod(fabric.schedule.extents),
        waiting=_waited_for(fabric),
    )


def _waited_for(fabric: Fabric) -> tuple[str, ...]:
    """The tensors whose chains take longer than the tile they are loaded or drained behind."""
    extents, strides = fabric.schedule.extents, fabric.schedule.strides
    names = []
    plans: tuple[InputPlan | OutputPlan, ...] = (*fabric.inputs, fabric.output)
    for plan in plans:
        if plan.chain is None or not plan.hold:
            continue
        tile = extents[plan.hold] * strides[plan.hold]
        if plan.chain.cycles == strides[plan.hold - 1] > tile:
            names.append(plan.tensor.name)
    return tuple(names)
