"""From a description to a directory with Verilog: the pipeline of accelgen, top to bottom."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType

from accelgen.affine import Description, SpaceTime
from accelgen.cycles import CycleModel, model_cycles
from accelgen.errors import InputError
from accelgen.fabric.build import build_fabric
from accelgen.fabric.fabric import Fabric
from accelgen.manifest import Manifest, Predicted, StreamSpec
from accelgen.netlist.build import build_netlist
from accelgen.passes import Pipeline, least_latency, match_delays
from accelgen.rtl.kernel import Kernel
from accelgen.rtl.library import UnitLibrary
from accelgen.technology import Technology, load_technology

__all__ = ["Design", "design", "generate", "predict"]


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
) -> Design:
    """Run all stages short of Verilog.

    ``period`` is the target clock period in ns; without one it is the technology's default, or
    the shortest that a single primitive of the design allows when that is longer.
    """
    kernel = description.lower()
    fabric = build_fabric(kernel, bus_bits)
    netlist = build_netlist(fabric)
    library = load_technology(technology)
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
    """The cycles of the design these options give, without designing it to the end."""
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
) -> Design:
    """Write ``<name>.v``, ``manifest.json`` and ``report.md`` into the folder ``output``.

    The folder appears whole or not at all.  One that exists is replaced when accelgen wrote
    it, and refused (:class:`InputError`) when it holds anything else.
    """
    folder = Path(output)
    _check_replaceable(folder)
    made = design(description, period=period, technology=technology, bus_bits=bus_bits)
    text = to_verilog(made)
    manifest = to_manifest(made)
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        (beside / f"{description.name}.v").write_text(text, encoding="utf-8")
        manifest.write(beside)
        beside.chmod(0o755)
        if folder.exists():
            shutil.rmtree(folder)
        beside.rename(folder)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise
    return made


def to_verilog(made: Design) -> str:
    """The Verilog of a design, every distinct unit once."""
    units = UnitLibrary(prefix=f"{made.description.name}_")
    units.add(Kernel(made.fabric, made.pipeline, units), "kernel")
    return units.verilog()


def to_manifest(made: Design) -> Manifest:
    """What a test bench or a driver needs to know of a design."""
    name = made.description.name
    fabric = made.fabric
    streams = [
        StreamSpec(
            tensor=plan.tensor.name,
            direction=direction,
            prefix=f"{prefix}_axis_{plan.tensor.name.lower()}",
            shape=plan.tensor.shape,
            format=str(plan.tensor.format),
            element_bits=plan.tensor.format.bits,
            bus_bits=fabric.bus_bits,
            beats=plan.banked.layout.beats,
        )
        for direction, prefix, plans in (
            ("in", "s", fabric.inputs),
            ("out", "m", (fabric.output,)),
        )
        for plan in plans
    ]
    extra: Mapping[str, object] = {
        "versions": {"accelgen": version("accelgen")},
        "period_ns": made.pipeline.period,
        "technology": made.technology.name,
        "description": str(made.description),
    }
    return Manifest(
        name=name,
        top=f"{name}_kernel",
        verilog=(f"{name}.v",),
        expression=made.description.workload.expression,
        bounds=MappingProxyType(dict(made.description.workload.bounds)),
        streams=tuple(streams),
        predicted=Predicted(made.cycles.compute_cycles, made.cycles.total_cycles),
        extra=MappingProxyType(extra),
    )


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
