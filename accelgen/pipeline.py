"""From a description to a directory with Verilog: the pipeline of accelgen, top to bottom."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from accelgen.affine import Description, SpaceTime
from accelgen.cycles import CycleModel, model_cycles
from accelgen.errors import InputError
from accelgen.fabric.build import build_fabric
from accelgen.fabric.fabric import Fabric, InputPlan, OutputPlan
from accelgen.manifest import Manifest, Predicted, StreamSpec
from accelgen.netlist.build import build_netlist
from accelgen.passes import Pipeline, least_latency, match_delays
from accelgen.report import count_memories, write_report
from accelgen.rtl.kernel import Kernel
from accelgen.rtl.library import UnitLibrary
from accelgen.technology import Technology, load_technology

__all__ = ["Design", "Progress", "design", "generate", "predict"]

MAX_BUS_BITS = 4096

Progress = Callable[[str], None]
"""Is told the name of each stage as it begins."""


@dataclass(frozen=True)
class Design:
    """Every stage of one design, from the integer form of the kernel to its pipeline."""

    description: Description
    kernel: SpaceTime
    fabric: Fabric
    pipeline: Pipeline
    cycles: CycleModel
    technology: Technology


def design(
    description: Description,
    *,
    period: float | None = None,
    technology: str = "sg13g2",
    bus_bits: int = 64,
    progress: Progress | None = None,
) -> Design:
    """Run all stages short of Verilog.

    ``period`` is the target clock period in ns; without one it is the technology's default, or
    the shortest this design can have when that is longer.  ``bus_bits`` is the width of every
    stream, a multiple of 8 up to 4096.

    Raises:
        InputError: the dataflow is not legal, or an option is out of range.
        InfeasibleError: no pipeline reaches ``period``.
    """
    _check_options(period, bus_bits)
    progress = progress or _quiet
    library = load_technology(technology)
    progress("check the dataflow")
    kernel = description.lower()
    progress("lay out the fabric")
    fabric = build_fabric(kernel, bus_bits)
    progress("build the netlist")
    netlist = build_netlist(fabric)
    progress("match delays")
    pipeline = match_delays(netlist, library, period)
    cycles = model_cycles(fabric, pipeline.latency)
    return Design(description, kernel, fabric, pipeline, cycles, library)


def predict(
    description: Description,
    *,
    period: float | None = None,
    technology: str = "sg13g2",
    bus_bits: int = 64,
) -> CycleModel:
    """The cycles of the design these options give, without designing it to the end.

    Options and errors are those of :func:`design`.
    """
    _check_options(period, bus_bits)
    fabric = build_fabric(description.lower(), bus_bits)
    latency = least_latency(build_netlist(fabric), load_technology(technology), period)
    return model_cycles(fabric, latency)


def generate(
    description: Description,
    output: Path | str,
    *,
    period: float | None = None,
    technology: str = "sg13g2",
    bus_bits: int = 64,
    progress: Progress | None = None,
) -> Design:
    """Write ``<name>.v``, ``manifest.json`` and ``report.md`` into the folder ``output``.

    Options are those of :func:`design`.  The folder appears whole or not at all.  One that
    exists is replaced when accelgen wrote it, and refused (:class:`InputError`) when it holds
    anything else.
    """
    folder = Path(output)
    progress = progress or _quiet
    with _writing(folder):
        _check_replaceable(folder)
    made = design(
        description, period=period, technology=technology, bus_bits=bus_bits, progress=progress
    )
    progress("write Verilog")
    verilog = to_verilog(made)

    def fill(empty: Path) -> None:
        (empty / f"{description.name}.v").write_text(verilog, encoding="utf-8")
        (empty / "report.md").write_text(write_report(made), encoding="utf-8")
        to_manifest(made).write(empty)

    with _writing(folder):
        _replace(folder.resolve(), fill)
    return made


def to_verilog(made: Design) -> str:
    """The Verilog of a design, every distinct unit once."""
    units = UnitLibrary(prefix=made.description.name)
    units.add(Kernel(made.fabric, made.pipeline, units), "")
    return units.verilog()


def to_manifest(made: Design) -> Manifest:
    """What a test bench or a driver needs to know of a design."""
    name = made.description.name
    fabric, kernel = made.fabric, made.kernel
    streams = [
        *(_stream(plan, "in", fabric.bus_bits) for plan in fabric.inputs),
        _stream(fabric.output, "out", fabric.bus_bits),
    ]
    extra: Mapping[str, object] = {
        "versions": {"accelgen": version("accelgen")},
        "parameters": {
            "space": dict(zip(kernel.space, kernel.space_extents, strict=True)),
            "time": dict(zip(kernel.time, kernel.time_extents, strict=True)),
            "skew": dict(zip(kernel.space, kernel.skew, strict=True)),
        },
        "memories": count_memories(fabric),
        "period_ns": made.pipeline.period,
        "technology": made.technology.name,
        "description": str(made.description),
    }
    return Manifest(
        name=name,
        top=name,
        verilog=(f"{name}.v",),
        expression=made.description.workload.expression,
        bounds=MappingProxyType(dict(made.description.workload.bounds)),
        streams=tuple(streams),
        predicted=Predicted(made.cycles.compute_cycles, made.cycles.total_cycles),
        extra=MappingProxyType(extra),
    )


def _stream(
    plan: InputPlan | OutputPlan, direction: Literal["in", "out"], bus_bits: int
) -> StreamSpec:
    tensor = plan.tensor
    return StreamSpec(
        tensor=tensor.name,
        direction=direction,
        prefix=f"{'s' if direction == 'in' else 'm'}_axis_{tensor.name.lower()}",
        shape=tensor.shape,
        format=str(tensor.format),
        element_bits=tensor.format.bits,
        bus_bits=bus_bits,
        beats=plan.banked.layout.beats,
    )


def _quiet(stage: str) -> None:
    """Progress that nobody watches."""


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Say which folder it was that the system refused."""
    try:
        yield
    except OSError as error:
        raise InputError(
            f"cannot be written: {error.strerror}", where=str(folder), hint="name another folder"
        ) from error


def _check_options(period: float | None, bus_bits: int) -> None:
    if period is not None and not (math.isfinite(period) and period > 0):
        raise InputError(f"{period} ns is no clock period", where="period", hint="use 4.5")
    if bus_bits % 8 or not 8 <= bus_bits <= MAX_BUS_BITS:
        raise InputError(
            f"{bus_bits} bits are no whole number of bytes up to {MAX_BUS_BITS} bits",
            where="bus",
            hint="use 64",
        )


def _replace(folder: Path, fill: Callable[[Path], None]) -> None:
    """Put what ``fill`` writes in the place of ``folder``, whole or not at all."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as beside:
        fresh, old = Path(beside) / "fresh", Path(beside) / "old"
        fresh.mkdir()
        fill(fresh)
        if folder.exists():
            folder.rename(old)
        try:
            fresh.rename(folder)
        except BaseException:
            if old.exists() and not folder.exists():
                old.rename(folder)
            raise


def _check_replaceable(folder: Path) -> None:
    """Only a folder that holds nothing but what accelgen wrote may be replaced."""
    if not folder.exists():
        return
    hint = "name another folder, or empty it yourself"
    if not folder.is_dir():
        raise InputError("exists and is not a folder", where=str(folder), hint=hint)
    present = {path.name for path in folder.iterdir()}
    if not present:
        return
    try:
        ours = {*Manifest.read(folder).verilog, "manifest.json", "report.md"}
    except InputError:
        ours = set()
    ours |= {"waves.vcd", "waves.fst"}
    if foreign := sorted(present - ours):
        raise InputError(
            f"holds {foreign[0]}, which accelgen did not write", where=str(folder), hint=hint
        )
