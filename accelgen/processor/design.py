"""From descriptions to a design whose bounds are registers, and what each problem takes on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from accelgen.affine import Description
from accelgen.cycles import CycleModel, model_cycles
from accelgen.fabric.fabric import Fabric
from accelgen.netlist.build import build_netlist
from accelgen.netlist.fuse import fuse
from accelgen.passes import Pipeline, match_delays
from accelgen.processor.flow import Flow, make_flows
from accelgen.processor.registers import Quantity, Register, quantities_of, registers_of, setting_of
from accelgen.rtl.library import UnitLibrary
from accelgen.rtl.processor.kernel import Processor
from accelgen.technology import Technology, load_technology
from accelgen.verilog import top_verilog

__all__ = ["Problem", "ProcessorDesign", "design_processor"]


@dataclass(frozen=True)
class Problem:
    """A problem on a design: what its registers hold, its fabric, and the cycles it takes."""

    dataflow: int
    setting: Mapping[str, int]
    fabric: Fabric
    cycles: CycleModel


@dataclass(frozen=True)
class ProcessorDesign:
    """A design that runs several dataflows, each at any bounds up to those of its description."""

    name: str
    flows: tuple[Flow, ...]
    quantities: tuple[Quantity, ...]
    registers: tuple[Register, ...]
    pipeline: Pipeline
    technology: Technology

    def problem(self, dataflow: int | str, bounds: Mapping[str, int]) -> Problem:
        """A problem of a dataflow, by its number or name; bounds not named are the largest.

        Raises :class:`InputError` when the design cannot run it.
        """
        if isinstance(dataflow, str):
            names = [flow.description.name for flow in self.flows]
            dataflow = names.index(dataflow)
        setting, fabric = setting_of(self.flows, self.quantities, dataflow, bounds)
        return Problem(dataflow, setting, fabric, model_cycles(fabric, self.pipeline.latency))

    def verilog(self) -> str:
        """The Verilog, every distinct unit once."""
        units = UnitLibrary(prefix=self.name)
        return top_verilog(
            self.name,
            units,
            lambda: Processor(self.flows, self.quantities, self.pipeline, units),
        )


def design_processor(
    descriptions: Sequence[Description],
    name: str,
    *,
    period: float | None = None,
    technology: str = "sg13g2",
    bus_bits: int | None = None,
    words: Mapping[str, int] | None = None,
) -> ProcessorDesign:
    """Run all stages short of Verilog.

    Raises:
        InputError: the dataflows are not legal, or cannot share one array.
        InfeasibleError: no pipeline reaches ``period``.
    """
    library = load_technology(technology)
    flows = make_flows(descriptions, bus_bits, words)
    quantities = quantities_of(flows)
    # Sums that one dataflow passes on share the adders in which another accumulates.
    holds = any(flow.fabric.output.hold is not None for flow in flows)
    netlist = fuse(
        [build_netlist(flow.fabric, passed=holds and _passes_on(flow.fabric)) for flow in flows]
    )
    pipeline = match_delays(netlist, library, period)
    return ProcessorDesign(
        name, flows, quantities, registers_of(quantities, len(flows)), pipeline, library
    )


def _passes_on(fabric: Fabric) -> bool:
    """Whether sums go from unit to unit and are not kept in one."""
    output = fabric.output
    return output.hold is None and any(output.reduction.partials)
