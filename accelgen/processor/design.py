"""From descriptions to a design whose bounds are registers, and what each problem takes on it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from accelgen.affine import Description
from accelgen.cycles import CycleModel, model_cycles
from accelgen.errors import InputError
from accelgen.fabric.fabric import Fabric
from accelgen.names import unknown
from accelgen.netlist.build import build_netlist
from accelgen.netlist.graph import Netlist
from accelgen.netlist.rounding import rounding_netlists
from accelgen.passes import (
    Pipeline,
    check_names,
    common_period,
    match_delays,
    place_registers,
    records,
)
from accelgen.passes.order import Record, Stage, last_netlist, last_pipeline, rewrite_fused
from accelgen.pipeline import check_options
from accelgen.processor.flow import Flow, make_flows
from accelgen.processor.formats import Choice, choices_of
from accelgen.processor.output_stage import (
    Staged,
    form_of,
    plain_stage,
    stage_setting,
    summed_in_32_bits,
    worked_off,
)
from accelgen.processor.registers import (
    ACCUMULATE,
    Quantity,
    Register,
    quantities_of,
    registers_of,
    setting_of,
)
from accelgen.rtl.library import UnitLibrary
from accelgen.rtl.output_stage.form import StageForm
from accelgen.rtl.processor.kernel import Processor
from accelgen.technology import Technology, load_technology
from accelgen.verilog import top_verilog

__all__ = ["Problem", "ProcessorDesign", "ProcessorModel", "design_processor", "netlists_of"]


@dataclass(frozen=True)
class Problem:
    """A problem on a design: what its registers hold, its fabric, and the cycles it takes; what
    becomes of its sums, where the design has an output stage.
    """

    dataflow: int
    setting: Mapping[str, int]
    fabric: Fabric
    cycles: CycleModel
    staged: Staged | None = None


@dataclass(frozen=True)
class ProcessorModel:
    """What a driver needs to know of a design that runs several dataflows, each at any bounds up
    to those of its description; ``latency`` is that of its pipeline, ``rounding_latency`` that of
    the rounding of its results where they are rounded.  With ``accumulate_in`` a
    stream of the output's name comes in, and problems may add it to their result.  With a ``stage``
    results go through an output stage.
    """

    name: str
    flows: tuple[Flow, ...]
    quantities: tuple[Quantity, ...]
    registers: tuple[Register, ...]
    latency: int
    accumulate_in: bool = field(default=False, kw_only=True)
    rounding_latency: int | None = field(default=None, kw_only=True)
    stage: StageForm | None = field(default=None, kw_only=True)

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
        *,
        accumulate: bool = False,
        staged: Staged | None = None,
    ) -> Problem:
        """A problem of a dataflow, by its number or name; bounds not named are the largest.  With
        ``accumulate`` a packet of the accumulate-in stream is added to its result.

        ``staged`` says what the output stage does, where there is one; without it, it clips the
        sums to the range of a signed code.  ``formats`` names, by register, the formats of a design
        that has several (see ``choices``).

        Raises :class:`InputError` when the design cannot run it.
        """
        number = self.number(dataflow)
        if accumulate and not self.accumulate_in:
            raise InputError(
                "there is no stream of what is accumulated",
                where=self.name,
                hint="generate the design with --accumulate-in",
            )
        setting, fabric = setting_of(self.flows, self.quantities, number, bounds, formats or {})
        if self.accumulate_in:
            setting[ACCUMULATE] = int(accumulate)
        shape = fabric.output.tensor.shape
        if self.stage is not None:
            staged = staged or Staged(plain_stage(self.stage, shape))
            setting |= stage_setting(self.stage, shape, staged)
        elif staged is not None:
            raise InputError(
                "there is no output stage",
                where=self.name,
                hint="generate the design with --output-stage",
            )
        cycles = model_cycles(
            fabric,
            self.latency,
            self.rounding_latency,
            accumulate_in=self.accumulate_in,
            stage=self.stage,
        )
        return Problem(number, setting, fabric, cycles, staged)


@dataclass(frozen=True)
class ProcessorDesign(ProcessorModel):
    """The same with the pipeline it is built from.

    ``stages`` and ``without`` are those of :class:`accelgen.Design`.
    """

    pipeline: Pipeline
    technology: Technology
    stages: tuple[Stage, ...] = ()
    without: tuple[str, ...] = ()
    rounding: Pipeline | None = None

    @property
    def critical(self) -> float:
        """The longest path between registers, in ns."""
        return max(p.critical for p in (self.pipeline, self.rounding) if p is not None)

    @cached_property
    def passes(self) -> tuple[Record, ...]:
        """What each pass changed; worked out when first asked for."""
        return records(self.stages, self.technology, self.without)

    def verilog(self) -> str:
        """The Verilog, every distinct unit once."""
        units = UnitLibrary(prefix=self.name)
        return top_verilog(
            self.name,
            units,
            lambda: Processor(
                self.flows,
                self.quantities,
                self.pipeline,
                units,
                rounding=self.rounding,
                accumulate_in=self.accumulate_in,
                stage=self.stage,
            ),
        )


def design_processor(
    descriptions: Sequence[Description],
    name: str,
    *,
    period: float | None = None,
    technology: str = "sg13g2",
    bus_bits: int | None = None,
    words: Mapping[str, int] | None = None,
    without: Collection[str] = (),
    accumulate_in: bool = False,
    output_stage: int | None = None,
    progress: Callable[[str], None] | None = None,
) -> ProcessorDesign:
    """Run all stages short of Verilog.

    The design reaches the bounds of the descriptions.  ``words`` gives, per tensor of the design,
    how many words each of its memories has, where that is not what the largest bounds need.
    ``without`` names passes that are left out.
    ``accumulate_in`` adds a stream of what problems may add to their result; ``output_stage`` an
    output stage to codes of so many bits, 8 or 16 (outputs whose type is not given are int32 then).

    Raises:
        InputError: the dataflows are not legal, or cannot share one array.
        InfeasibleError: no pipeline reaches ``period``.
    """
    check_options(period, bus_bits)
    check_names(without)
    progress = progress or (lambda stage: None)
    library = load_technology(technology)
    if output_stage is not None:
        descriptions = [summed_in_32_bits(description) for description in descriptions]
        if accumulate_in:
            raise InputError(
                "with an output stage no sums come out that could be added to",
                where="accumulate-in",
                hint="leave one of the two out",
            )
    progress("lay out the dataflows")
    flows = make_flows(descriptions, bus_bits, words)
    if accumulate_in and flows[0].fabric.kernel.blocks is not None:
        raise InputError(
            "sums of blocks are rounded before they leave, and nothing is added to them",
            where="accumulate-in",
            hint="leave it out, or use integers",
        )
    quantities = quantities_of(flows)
    if output_stage is not None:
        form_of(flows, output_stage, 1)  # refuses before anything takes long
    progress("build and fuse the netlists")
    rewritten = rewrite_fused(netlists_of(flows), without)
    progress("match delays")
    # An output stage takes the low bits of sums as they are.
    rounding = rounding_netlists(flows[0].fabric) if output_stage is None else []
    if period is None:
        period = common_period([last_netlist(rewritten), *rounding], library)
    placed = place_registers(last_netlist(rewritten), library, period, without)
    pipeline = last_pipeline(placed)
    rounded = match_delays(rounding[0], library, period) if rounding else None
    stage = None
    if output_stage is not None:
        stage = form_of(flows, output_stage, worked_off(library, period))
    return ProcessorDesign(
        name,
        flows,
        quantities,
        registers_of(quantities, len(flows), accumulate_in=accumulate_in, stage=stage),
        pipeline.latency,
        pipeline,
        library,
        (*rewritten, *placed),
        tuple(sorted(without)),
        rounded,
        accumulate_in=accumulate_in,
        rounding_latency=rounded.latency if rounded else None,
        stage=stage,
    )


def netlists_of(flows: Sequence[Flow]) -> list[Netlist]:
    """The netlist of each dataflow, as they are fused.

    Sums that one passes on share the adders in which another accumulates.
    """
    holds = any(flow.fabric.output.hold is not None for flow in flows)
    return [build_netlist(flow.fabric, passed=holds and _passes_on(flow.fabric)) for flow in flows]


def _passes_on(fabric: Fabric) -> bool:
    """Whether sums go from unit to unit and are not kept in one."""
    output = fabric.output
    return output.hold is None and any(output.reduction.partials)
