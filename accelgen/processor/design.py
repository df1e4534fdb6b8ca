"""From descriptions to a design whose bounds are registers, and what each problem takes on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from accelgen.affine import Description
from accelgen.cycles import CycleModel, model_cycles
from accelgen.errors import InputError
from accelgen.fabric.fabric import Fabric
from accelgen.names import unknown
from accelgen.netlist.build import build_netlist
from accelgen.netlist.fuse import fuse
from accelgen.netlist.graph import Netlist
from accelgen.netlist.rounding import rounding_netlists
from accelgen.passes import Pipeline, common_period, match_delays
from accelgen.passes.trees import TREES
from accelgen.passes.widths import WIDTHS
from accelgen.processor.flow import Flow, make_flows
from accelgen.processor.formats import Choice, choices_of
from accelgen.processor.registers import Quantity, Register, quantities_of, registers_of, setting_of
from accelgen.rtl.library import UnitLibrary
from accelgen.rtl.processor.kernel import Processor
from accelgen.technology import Technology, load_technology
from accelgen.verilog import top_verilog

__all__ = ["Problem", "ProcessorDesign", "ProcessorModel", "design_processor"]


@dataclass(frozen=True)
class Problem:
    """A problem on a design: what its registers hold, its fabric, and the cycles it takes."""

    dataflow: int
    setting: Mapping[str, int]
    fabric: Fabric
    cycles: CycleModel


@dataclass(frozen=True)
class ProcessorModel:
    """What a driver needs to know of a design that runs several dataflows, each at any bounds up
    to those of its description; ``latency`` is that of its pipeline, ``rounding_latency`` that of
    the rounding of its results where they are rounded.
    """

    name: str
    flows: tuple[Flow, ...]
    quantities: tuple[Quantity, ...]
    registers: tuple[Register, ...]
    latency: int
    rounding_latency: int | None = field(default=None, kw_only=True)

    def number(self, dataflow: int | str) -> int:
        """The number of a dataflow by its number or name; :class:`InputError` for no such one."""
        names = [flow.description.name for flow in self.flows]
        if isinstance(dataflow, str):
            if dataflow not in names:
                raise unknown(dataflow, "dataflow", names)
            return names.index(dataflow)
        if not 0 <= dataflow < len(names):
            raise InputError(f"there is no dataflow {dataflow}", hint=f"0 to {len(names) - 1}")
        return dataflow

    @property
    def choices(self) -> tuple[Choice, ...]:
        """The registers by which every problem chooses formats."""
        return choices_of(self.flows[0].fabric.kernel)

    def problem(
        self,
        dataflow: int | str,
        bounds: Mapping[str, int],
        formats: Mapping[str, str] | None = None,
    ) -> Problem:
        """A problem of a dataflow, by its number or name; bounds not named are the largest.

        ``formats`` names, by register, the formats of a design that has several (see ``choices``).

        Raises :class:`InputError` when the design cannot run it.
        """
        number = self.number(dataflow)
        setting, fabric = setting_of(self.flows, self.quantities, number, bounds, formats or {})
        cycles = model_cycles(fabric, self.latency, self.rounding_latency)
        return Problem(number, setting, fabric, cycles)


@dataclass(frozen=True)
class ProcessorDesign(ProcessorModel):
    """The same with the pipeline it is built from."""

    pipeline: Pipeline
    technology: Technology
    rounding: Pipeline | None = None

    @property
    def critical(self) -> float:
        """The longest path between registers, in ns."""
        return max(p.critical for p in (self.pipeline, self.rounding) if p is not None)

    def verilog(self) -> str:
        """The Verilog, every distinct unit once."""
        units = UnitLibrary(prefix=self.name)
        return top_verilog(
            self.name,
            units,
            lambda: Processor(self.flows, self.quantities, self.pipeline, units, self.rounding),
        )


def design_processor(
    descriptions: Sequence[Description],
    name: str,
    *,
    period: float | None = None,
    technology: str = "sg13g2",
    bus_bits: int | None = None,
    words: Mapping[str, int] | None = None,
    progress: Callable[[str], None] | None = None,
) -> ProcessorDesign:
    """Run all stages short of Verilog.

    The design reaches the bounds of the descriptions.  ``words`` gives, per tensor of the design,
    how many words each of its memories has, where that is not what the largest bounds need.

    Raises:
        InputError: the dataflows are not legal, or cannot share one array.
        InfeasibleError: no pipeline reaches ``period``.
    """
    progress = progress or (lambda stage: None)
    library = load_technology(technology)
    progress("lay out the dataflows")
    flows = make_flows(descriptions, bus_bits, words)
    quantities = quantities_of(flows)
    progress("fuse the netlists")
    # Sums that one dataflow passes on share the adders in which another accumulates.
    holds = any(flow.fabric.output.hold is not None for flow in flows)
    netlist = fuse(
        [
            _balanced(build_netlist(flow.fabric, passed=holds and _passes_on(flow.fabric)))
            for flow in flows
        ]
    )
    netlist = _narrowed(netlist)
    progress("match delays")
    rounding = rounding_netlists(flows[0].fabric)
    if period is None and rounding:
        period = common_period([netlist, *rounding], library)
    pipeline = match_delays(netlist, library, period)
    rounded = match_delays(rounding[0], library, period) if rounding else None
    return ProcessorDesign(
        name,
        flows,
        quantities,
        registers_of(quantities, len(flows)),
        pipeline.latency,
        pipeline,
        library,
        rounded,
        rounding_latency=rounded.latency if rounded else None,
    )


def _balanced(netlist: Netlist) -> Netlist:
    """With balanced adder trees."""
    after = TREES.run(netlist)
    TREES.verify(netlist, after)
    return after


def _narrowed(netlist: Netlist) -> Netlist:
    """With values no wider than what they are at any bounds needs."""
    after = WIDTHS.run(netlist)
    WIDTHS.verify(netlist, after)
    return after


def _passes_on(fabric: Fabric) -> bool:
    """Whether sums go from unit to unit and are not kept in one."""
    output = fabric.output
    return output.hold is None and any(output.reduction.partials)
