"""What a component is whose registers delay matching has placed."""

from __future__ import annotations

from collections.abc import Mapping

from amaranth.hdl import Module, Shape, Value

from accelgen.netlist.graph import Home
from accelgen.passes.delay_matching import Pipeline
from accelgen.rtl.delay import delay_line
from accelgen.rtl.unit import Unit, output_port, unit_shapes

__all__ = ["place_unit"]


def place_unit(
    m: Module,
    pipeline: Pipeline,
    home: Home,
    sources: Mapping[str, Value],
    events: frozenset[str] = frozenset(),
) -> dict[str, Value]:
    """Add the unit ``home`` of a pipeline to a module; return what reads it, by name.

    ``sources`` are the values of the nodes outside ``home`` that the unit reads, by name, each
    delayed as its registers say; those of ``events`` are 0 after reset.  The value of a reader is
    that of the cycle in which its position in the pipeline has it.
    """
    (shape,) = unit_shapes(pipeline, (home[0],)).values()
    m.submodules.unit = unit = Unit(shape)
    nodes, registers = pipeline.netlist.nodes, pipeline.registers
    wanted: dict[str, dict[str, int]] = {}
    found: dict[str, Value] = {}
    for node, counts in zip(nodes, registers, strict=True):
        for edge, count in zip(node.inputs, counts, strict=True):
            source = nodes[edge.source]
            if node.home == home and source.home != home:
                wanted.setdefault(source.name, {})[edge.port] = count
            elif node.home != home and source.home == home:
                # Registers toward a write are outside the unit.
                inner = 0 if node.kind == "write" else count
                value = getattr(unit, output_port(source.name, inner))
                outer = {count - inner}
                line = delay_line(m, value, Shape(source.format.bits), outer, node.name)
                found[node.name] = line[count - inner]
    for name, ports in wanted.items():
        value = sources[name]
        line = delay_line(
            m, value, Shape(len(value)), set(ports.values()), f"{name}_in", reset=name in events
        )
        for port, count in ports.items():
            m.d.comb += getattr(unit, port).eq(line[count])
    return found
