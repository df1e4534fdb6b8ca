"""What is written of a design beside its report: the Verilog and the manifest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import version
from types import MappingProxyType
from typing import TYPE_CHECKING

from accelgen.affine import SpaceTime
from accelgen.affine.blocks import BlockProduct, role
from accelgen.affine.multi import MultiProduct
from accelgen.fabric.fabric import Fabric, InputPlan, OutputPlan
from accelgen.golden.multi_format import MULTI_FORMATS
from accelgen.manifest import Manifest, Ports, Predicted, StreamSpec
from accelgen.netlist.controls import MODE
from accelgen.report import count_memories
from accelgen.rtl.array import UNIT_KINDS
from accelgen.rtl.kernel import Kernel
from accelgen.rtl.library import UnitLibrary
from accelgen.rtl.unit import unit_shapes
from accelgen.verilog import top_verilog

if TYPE_CHECKING:
    from accelgen.pipeline import Design

__all__ = ["number_facts", "stream_specs", "to_manifest", "to_verilog"]


def to_verilog(made: Design) -> str:
    """The Verilog of a design, every distinct unit once.

    Raises :class:`InputError` when names of tensors make two signals of a unit the same.
    """
    name = made.description.name
    unit_shapes(made.pipeline, UNIT_KINDS)  # finds such names before any hardware is made
    units = UnitLibrary(prefix=name)
    return top_verilog(
        name, units, lambda: Kernel(made.fabric, made.pipeline, units, made.rounding)
    )


def to_manifest(made: Design) -> Manifest:
    """What a test bench or a driver needs to know of a design."""
    name = made.description.name
    fabric, kernel = made.fabric, made.kernel
    streams = stream_specs(fabric)
    extra: Mapping[str, object] = {
        "versions": {"accelgen": version("accelgen")},
        "parameters": {
            "space": dict(zip(kernel.space, kernel.space_extents, strict=True)),
            "time": dict(zip(kernel.time, kernel.time_extents, strict=True)),
            "skew": dict(zip(kernel.space, kernel.skew, strict=True)),
        },
        "memories": count_memories(fabric),
        **({"numbers": number_facts(kernel.blocks)} if kernel.blocks else {}),
        "period_ns": made.pipeline.period,
        "technology": made.technology.name,
        "description": str(made.description),
        "passes": [record.to_json() for record in made.passes],
        "without": list(made.without),
    }
    return Manifest(
        name=name,
        top=name,
        verilog=(f"{name}.v",),
        expression=made.description.workload.expression,
        bounds=MappingProxyType(dict(made.description.workload.bounds)),
        streams=tuple(streams),
        ports=Ports(bad_number="bad_number" if kernel.blocks else None),
        predicted=Predicted(made.cycles.compute_cycles, made.cycles.total_cycles),
        extra=MappingProxyType(extra),
    )


def stream_specs(fabric: Fabric) -> list[StreamSpec]:
    """The streams of a fabric: inputs in the order of the expression, then the output."""
    kernel, bus = fabric.kernel, fabric.bus_bits
    return [
        *(_input_stream(plan, fabric, k) for k, plan in enumerate(fabric.inputs)),
        _output_stream(fabric.output, kernel, bus),
    ]


def _input_stream(plan: InputPlan, fabric: Fabric, number: int) -> StreamSpec:
    """Integers as they are; of a block format, words of elements or their scales."""
    kernel, tensor = fabric.kernel, plan.tensor
    product, composed = kernel.blocks, kernel.composed
    spec = StreamSpec(
        tensor=tensor.name,
        direction="in",
        prefix=f"s_axis_{tensor.name.lower()}",
        shape=tensor.shape,
        format=tensor.type_name if composed else str(tensor.format),
        element_bits=tensor.format.bits,
        bus_bits=fabric.bus_bits,
        beats=plan.banked.layout.beats,
        user_bits=MODE.bits if composed and not fabric.programmable else 0,
    )
    if product is None:
        return spec
    side, has_scales = role(number)
    operand = (product.pair.a_format, product.pair.b_format)[side]
    if has_scales:
        scaled = kernel.inputs[number - 1].name
        return replace(spec, tensor=scaled, format=product.names[side], kind="scales")
    lanes = product.pair.lanes
    return replace(
        spec,
        format=product.names[side],
        shape=(*tensor.shape, lanes),
        element_bits=operand.element_bits,
        lanes=lanes,
    )


def number_facts(product: BlockProduct) -> dict[str, object]:
    """How block formats are read and results are to be understood."""
    pair = product.pair
    if isinstance(product, MultiProduct):
        factors = {"if4": str(pair.factor)}
        return {
            "block_loop": product.loop,
            "block": pair.lanes,
            "result": str(product.result),
            "formats": {
                name: {
                    "factor": factors.get(name, "1"),
                    "least_step": f"2**-{product.fraction(name)}",
                }
                for name in MULTI_FORMATS
            },
            "scale_exponents": {"mxfp4": list(product.scale_range)},
        }
    ranges = {"a": pair.a.scale_range, "b": pair.b.scale_range}
    return {
        "block_loop": product.loop,
        "block": pair.lanes,
        "result": str(product.result),
        "factor": str(pair.factor),
        "least_step": f"2**-{pair.fraction}",
        "scale_exponents": {side: list(found) for side, found in ranges.items() if found},
    }


def _output_stream(plan: OutputPlan, kernel: SpaceTime, bus_bits: int) -> StreamSpec:
    tensor = plan.tensor
    return StreamSpec(
        tensor=tensor.name,
        direction="out",
        prefix=f"m_axis_{tensor.name.lower()}",
        shape=tensor.shape,
        format=str(kernel.blocks.result if kernel.blocks else tensor.format),
        element_bits=kernel.result_bits,
        bus_bits=bus_bits,
        beats=plan.banked.layout.beats,
    )
