"""What is written of a design beside its report: the Verilog and the manifest."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from accelgen.fabric.fabric import InputPlan, OutputPlan
from accelgen.manifest import Manifest, Predicted, StreamSpec
from accelgen.report import count_memories
from accelgen.rtl.kernel import Kernel
from accelgen.rtl.library import UnitLibrary

if TYPE_CHECKING:
    from accelgen.pipeline import Design

__all__ = ["to_manifest", "to_verilog"]


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
