"""What is written of a design beside its report: the Verilog and the manifest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import version
from types import MappingProxyType
from typing import TYPE_CHECKING

from accelgen.affine import SpaceTime
from accelgen.fabric.fabric import InputPlan, OutputPlan
from accelgen.manifest import Manifest, Ports, Predicted, StreamSpec
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
        *(_input_stream(plan, kernel, fabric.bus_bits, k) for k, plan in enumerate(fabric.inputs)),
        _output_stream(fabric.output, kernel, fabric.bus_bits),
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
        ports=Ports(bad_number="bad_number" if kernel.product else None),
        predicted=Predicted(made.cycles.compute_cycles, made.cycles.total_cycles),
        extra=MappingProxyType(extra),
    )


def _input_stream(plan: InputPlan, kernel: SpaceTime, bus_bits: int, number: int) -> StreamSpec:
    """Integers as they are; of a block format, words of elements or their scales."""
    tensor, product = plan.tensor, kernel.product
    spec = StreamSpec(
        tensor=tensor.name,
        direction="in",
        prefix=f"s_axis_{tensor.name.lower()}",
        shape=tensor.shape,
        format=str(tensor.format),
        element_bits=tensor.format.bits,
        bus_bits=bus_bits,
        beats=plan.banked.layout.beats,
    )
    if product is None:
        return spec
    operand = (product.pair.a_format, product.pair.b_format)[number // 2]
    if number % 2:
        return replace(spec, format=operand.name, kind="scales")
    lanes = product.pair.lanes
    return replace(
        spec,
        format=operand.name,
        shape=(*tensor.shape, lanes),
        element_bits=operand.element_bits,
        lanes=lanes,
    )


def _output_stream(plan: OutputPlan, kernel: SpaceTime, bus_bits: int) -> StreamSpec:
    tensor = plan.tensor
    return StreamSpec(
        tensor=tensor.name,
        direction="out",
        prefix=f"m_axis_{tensor.name.lower()}",
        shape=tensor.shape,
        format=str(kernel.product.result if kernel.product else tensor.format),
        element_bits=kernel.result_bits,
        bus_bits=bus_bits,
        beats=plan.banked.layout.beats,
    )
