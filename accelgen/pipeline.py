"""From a description to a directory with Verilog: the pipeline of accelgen, top to bottom."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from accelgen.affine import Description, SpaceTime, load_description
from accelgen.affine.multi import MULTI_TYPE, MultiProduct
from accelgen.cycles import CycleModel, model_cycles
from accelgen.emit import to_manifest, to_verilog
from accelgen.errors import InputError
from accelgen.fabric.build import build_fabric
from accelgen.fabric.fabric import Fabric
from accelgen.netlist.build import build_netlist
from accelgen.netlist.rounding import rounding_netlists
from accelgen.output_folder import check_replaceable, replace_folder, writing
from accelgen.passes import (
    Pipeline,
    check_names,
    common_period,
    least_latency,
    match_delays,
    place_registers,
    records,
    rewrite,
)
from accelgen.passes.order import Record, Stage, last_netlist, last_pipeline
from accelgen.report import write_report
from accelgen.technology import Technology, load_technology

__all__ = ["Design", "Progress", "Source", "check_options", "described", "design", "generate",
           "predict"]  # fmt: skip

MAX_BUS_BITS = 4096

Progress = Callable[[str], None]
"""Is told the name of each stage as it begins."""

Source = Description | str | Path
"""A description, the name of a shipped one, or a description file."""


@dataclass(frozen=True, repr=False)
class Design:
    """Every stage of one design, from the integer form of the kernel to its pipeline, and that of
    the rounding of its results where they are rounded.

    ``stages`` are the netlist and what each pass made of it, by name; ``without`` the passes that
    did not run.
    """

    description: Description
    kernel: SpaceTime
    fabric: Fabric
    pipeline: Pipeline
    rounding: Pipeline | None
    cycles: CycleModel
    technology: Technology
    stages: tuple[Stage, ...] = ()
    without: tuple[str, ...] = ()

    @cached_property
    def passes(self) -> tuple[Record, ...]:
        """What each pass changed; worked out when first asked for."""
        return records(self.stages, self.technology, self.without)

    @property
    def critical(self) -> float:
        """The longest path between registers, in ns."""
        return max(p.critical for p in (self.pipeline, self.rounding) if p is not None)

    def __repr__(self) -> str:
        """One line: name, array, cycles, period."""
        array = " x ".join(map(str, self.kernel.space_extents))
        return (
            f"<Design {self.description.name}: {array} units, "
            f"compute_cycles {self.cycles.compute_cycles}, "
            f"total_cycles {self.cycles.total_cycles}, period {self.pipeline.period:g} ns>"
        )


def design(
    description: Source,
    *,
    period: float | None = None,
    technology: str = "sg13g2",
    bus_bits: int | None = None,
    without: Collection[str] = (),
    progress: Progress | None = None,
) -> Design:
    """Run all stages short of Verilog.

    ``description`` is a :class:`Description`, the name of a shipped one (``"fir"``) or a file.
    ``period`` is the target clock period in ns; without one it is the technology's default, or
    the shortest this design can have when that is longer.  ``bus_bits`` is the width of every
    stream, a multiple of 8 up to 4096; without one it is 64, or as wide as a block that is wider.
    ``without`` names passes that are left out; the result is right, and costs more.

    Raises:
        InputError: the dataflow is not legal, or an option is out of range.
        InfeasibleError: no pipeline reaches ``period``.
    """
    check_options(period, bus_bits)
    check_names(without)
    progress = progress or _quiet
    description = described(description)
    library = load_technology(technology)
    progress("check the dataflow")
    kernel = _of_fixed_size(description)
    progress("lay out the fabric")
    fabric = build_fabric(kernel, bus_bits)
    progress("build the netlist")
    netlist = build_netlist(fabric)
    progress("rewrite the netlist")
    rewritten = rewrite(netlist, without)
    netlist = last_netlist(rewritten)
    progress("match delays")
    rounding = rounding_netlists(fabric)
    if period is None:
        period = common_period([netlist, *rounding], library)
    placed = place_registers(netlist, library, period, without)
    pipeline = last_pipeline(placed)
    rounded = match_delays(rounding[0], library, period) if rounding else None
    cycles = model_cycles(fabric, pipeline.latency, rounded.latency if rounded else None)
    return Design(
        description,
        kernel,
        fabric,
        pipeline,
        rounded,
        cycles,
        library,
        (*rewritten, *placed),
        tuple(sorted(without)),
    )


def predict(
    description: Source,
    *,
    period: float | None = None,
    technology: str = "sg13g2",
    bus_bits: int | None = None,
    without: Collection[str] = (),
) -> CycleModel:
    """The cycles of the design these options give, without designing it to the end.

    Arguments and errors are those of :func:`design`.
    """
    check_options(period, bus_bits)
    check_names(without)
    fabric = build_fabric(_of_fixed_size(described(description)), bus_bits)
    library = load_technology(technology)
    netlist = last_netlist(rewrite(build_netlist(fabric), without))
    rounding = rounding_netlists(fabric)
    if period is None:
        period = common_period([netlist, *rounding], library)
    rounded = least_latency(rounding[0], library, period) if rounding else None
    return model_cycles(fabric, least_latency(netlist, library, period), rounded)


def generate(
    description: Source,
    output: Path | str,
    *,
    period: float | None = None,
    technology: str = "sg13g2",
    bus_bits: int | None = None,
    without: Collection[str] = (),
    progress: Progress | None = None,
) -> Design:
    """Write ``<name>.v``, ``manifest.json`` and ``report.md`` into the folder ``output``.

    Other arguments are those of :func:`design`.  The folder appears whole or not at all.  One that
    exists is replaced when accelgen wrote it, and refused (:class:`InputError`) when it holds
    anything else.
    """
    folder = Path(output)
    progress = progress or _quiet
    description = described(description)
    with writing(folder):
        check_replaceable(folder)
    made = design(
        description,
        period=period,
        technology=technology,
        bus_bits=bus_bits,
        without=without,
        progress=progress,
    )
    progress("write Verilog")
    verilog = to_verilog(made)

    def fill(empty: Path) -> None:
        (empty / f"{description.name}.v").write_text(verilog, encoding="utf-8")
        (empty / "report.md").write_text(write_report(made), encoding="utf-8")
        to_manifest(made).write(empty)

    with writing(folder):
        replace_folder(folder.resolve(), fill)
    return made


def _of_fixed_size(description: Description) -> SpaceTime:
    """The kernel; :class:`InputError` where only a register can say what its numbers are."""
    kernel = description.lower()
    if isinstance(kernel.product, MultiProduct):
        raise InputError(
            f"a register chooses among {MULTI_TYPE}, and a design of fixed size has none",
            where=f"{description.name}: types",
            hint="add --programmable, or use one of these formats",
        )
    return kernel


def described(source: Source) -> Description:
    """The description itself, or the one that a name or file stands for."""
    return source if isinstance(source, Description) else load_description(source)


def _quiet(stage: str) -> None:
    """Progress that nobody watches."""


def check_options(period: float | None, bus_bits: int | None) -> None:
    """Raise :class:`InputError` for a period or a bus that no design has."""
    if period is not None and not (math.isfinite(period) and period > 0):
        raise InputError(f"{period} ns is no clock period", where="period", hint="use 4.5")
    if bus_bits is not None and (bus_bits % 8 or not 8 <= bus_bits <= MAX_BUS_BITS):
        raise InputError(
            f"{bus_bits} bits are no whole number of bytes up to {MAX_BUS_BITS} bits",
            where="bus",
            hint="use 64",
        )
