"""The array: every unit instantiated, their links wired, inputs and control bits skewed."""

from __future__ import annotations

from collections.abc import Mapping

from amaranth.hdl import Module, Shape, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from accelgen.fabric.space import Grid
from accelgen.netlist.graph import Home, Node, port_of
from accelgen.passes.delay_matching import Pipeline
from accelgen.rtl.delay import delay_line
from accelgen.rtl.library import UnitLibrary
from accelgen.rtl.unit import Unit, names_of, output_port, unit_shapes

__all__ = ["Array"]

UNIT_KINDS = ("pe", "sum", "exit")


class Array(wiring.Component):
    """All functional units and reduction trees.

    Ports: one input per memory slot and per control bit of the netlist, named after its node,
    in the cycle in which it leaves the memory or the controller; one output per write slot, in
    the cycle in which it enters the output memory.
    """

    def __init__(self, pipeline: Pipeline, space: tuple[int, ...], library: UnitLibrary) -> None:
        self._pipeline = pipeline
        self._grid = Grid(space)
        self._library = library
        nodes = pipeline.netlist.nodes
        self._inputs = {
            number: node
            for number, node in enumerate(nodes)
            if node.kind == "read" or (node.kind == "flag" and node.group == "control")
        }
        self._writes = [(number, node) for number, node in enumerate(nodes) if node.kind == "write"]
        super().__init__(
            {
                **{node.name: In(_shape(node)) for node in self._inputs.values()},
                **{
                    node.name: Out(_shape(nodes[node.inputs[0].source])) for _, node in self._writes
                },
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the hardware."""
        m = Module()
        pipeline = self._pipeline
        nodes = pipeline.netlist.nodes
        shapes = unit_shapes(pipeline, UNIT_KINDS)
        names = names_of(shapes)
        components = {shape: Unit(shape) for shape in names}
        units: dict[Home, wiring.Component] = {}
        for home, shape in shapes.items():
            unit = self._library.instance(components[shape], names[shape])
            m.submodules[self._label(home)] = unit
            units[home] = unit

        if not pipeline.shared:
            self._connect_apart(m, units)
            return m
        taps: dict[int, set[int]] = {number: set() for number in self._inputs}
        for number, node in enumerate(nodes):
            if node.home in units:
                for edge, count in zip(node.inputs, pipeline.registers[number], strict=True):
                    if edge.source in taps:
                        taps[edge.source].add(count)
        lines = {
            number: delay_line(m, getattr(self, node.name), _shape(node), taps[number], node.name)
            for number, node in self._inputs.items()
        }

        def tap(source: int, count: int) -> Value:
            if source in lines:
                return lines[source][count]
            node = nodes[source]
            value: Value = getattr(units[node.home], output_port(node.name, count))
            return value

        connected: set[tuple[Home, str]] = set()
        for number, node in enumerate(nodes):
            if node.home not in units:
                continue
            for k, edge in enumerate(node.inputs):
                key = (node.home, port_of(node, k))
                if nodes[edge.source].home != node.home and key not in connected:
                    connected.add(key)
                    value = tap(edge.source, pipeline.registers[number][k])
                    m.d.comb += getattr(units[node.home], key[1]).eq(value)
        for number, node in self._writes:
            edge, count = node.inputs[0], pipeline.registers[number][0]
            leaving = tap(edge.source, 0)
            line = delay_line(m, leaving, _shape(nodes[edge.source]), {count}, node.name)
            m.d.comb += getattr(self, node.name).eq(line[count])
        return m

    def _connect_apart(self, m: Module, units: Mapping[Home, wiring.Component]) -> None:
        """A delay line for every wire between units, beside the one that reads it."""
        nodes = self._pipeline.netlist.nodes
        connected: set[tuple[Home, str]] = set()
        for number, node in enumerate(nodes):
            if node.kind != "write" and node.home not in units:
                continue
            for k, edge in enumerate(node.inputs):
                count = self._pipeline.registers[number][k]
                source = nodes[edge.source]
                if source.home == node.home or (node.kind == "write" and edge.port != "data"):
                    continue
                key = (node.home, node.name if node.kind == "write" else port_of(node, k))
                if key in connected:
                    continue
                connected.add(key)
                if edge.source in self._inputs:
                    value = getattr(self, source.name)
                else:
                    value = getattr(units[source.home], output_port(source.name, 0))
                name = f"{self._label(node.home)}_{key[1]}"
                line = delay_line(m, value, _shape(source), {count}, name, keep=True)
                target = self if node.kind == "write" else units[node.home]
                m.d.comb += getattr(target, key[1]).eq(line[count])

    def _label(self, home: Home) -> str:
        kind, number = home
        if kind == "pe":
            return "_".join(["pe", *map(str, self._grid.coordinates(number))])
        return f"{kind}_{number}"


def _shape(node: Node) -> Shape:
    return Shape(node.format.bits, node.format.signed)
