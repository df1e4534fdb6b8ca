"""Units: the nodes of one home as a Verilog module, one module per distinct unit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import and_, or_

from amaranth.hdl import C, Module, Mux, Shape, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from accelgen.errors import InputError
from accelgen.formats import IntFormat
from accelgen.netlist.graph import Home, port_of
from accelgen.netlist.ring import Ring
from accelgen.passes.delay_matching import Enable, Pipeline
from accelgen.rtl.delay import delay_line
from accelgen.rtl.primitives.compose import COMPOSE_STEPS
from accelgen.rtl.primitives.dot_steps import DOT_STEPS
from accelgen.rtl.primitives.float_steps import FLOAT_STEPS
from accelgen.rtl.primitives.multi_format_steps import MULTI_FORMAT_STEPS

__all__ = ["Part", "Unit", "UnitShape", "output_port", "unit_shapes"]


@dataclass(frozen=True)
class Part:
    """A node inside a unit.  An input is (part number, registers), or (port name, 0)."""

    kind: str
    name: str
    format: IntFormat
    inputs: tuple[tuple[int | str, int], ...]
    parameters: tuple[object, ...] = ()


@dataclass(frozen=True)
class UnitShape:
    """What makes two units the same module: parts, input ports, and taps that leave the unit."""

    parts: tuple[Part, ...]
    ports: tuple[tuple[str, IntFormat], ...]
    taps: tuple[tuple[int, int], ...]
    shared: bool = True
    """Whether all that read a value share one delay line."""
    enables: tuple[tuple[int, int, tuple[tuple[int, tuple[int, ...]], ...]], ...] = ()
    """Part, stage of the delay line behind it, and the parts and their values it waits for."""

    @property
    def registered(self) -> bool:
        """Whether the unit holds any register at all."""
        return (
            any(part.kind in _REGISTERS for part in self.parts)
            or any(registers for part in self.parts for _, registers in part.inputs)
            or any(registers for _, registers in self.taps)
        )


def output_port(name: str, registers: int) -> str:
    """The port on which a unit offers its node ``name``, ``registers`` cycles late."""
    return f"{name}_out{registers}" if registers else f"{name}_out"


def unit_shapes(pipeline: Pipeline, kinds: Sequence[str]) -> dict[Home, UnitShape]:
    """The shape of every unit whose home is of one of ``kinds``, in order of first node."""
    netlist = pipeline.netlist
    members: dict[Home, list[int]] = {}
    for number, node in enumerate(netlist.nodes):
        if node.home[0] in kinds:
            members.setdefault(node.home, []).append(number)
    taps = _taps(pipeline)
    enables: dict[Home, list[Enable]] = {}
    for enable in pipeline.enables:
        enables.setdefault(netlist.nodes[enable.node].home, []).append(enable)
    return {
        home: _shape(pipeline, numbers, taps, enables.get(home, ()))
        for home, numbers in members.items()
    }


def _taps(pipeline: Pipeline) -> list[set[int]]:
    """Per node the register counts with which other homes read it.

    Registers towards the output memory are placed outside, to leave the units alike; so are all
    between homes when they are not shared.
    """
    nodes = pipeline.netlist.nodes
    taps: list[set[int]] = [set() for _ in nodes]
    for number, node in enumerate(nodes):
        for edge, registers in zip(node.inputs, pipeline.registers[number], strict=True):
            if nodes[edge.source].home != node.home:
                inside = pipeline.shared and node.kind != "write"
                taps[edge.source].add(registers if inside else 0)
    return taps


def _shape(
    pipeline: Pipeline,
    numbers: Sequence[int],
    taps: Sequence[set[int]],
    enables: Sequence[Enable],
) -> UnitShape:
    netlist, registers = pipeline.netlist, pipeline.registers
    local = {number: k for k, number in enumerate(numbers)}
    ports: dict[str, tuple[IntFormat, int, int]] = {}
    parts = []
    for number in numbers:
        node = netlist.nodes[number]
        inputs: list[tuple[int | str, int]] = []
        for k, (edge, count) in enumerate(zip(node.inputs, registers[number], strict=True)):
            if edge.source in local:
                inputs.append((local[edge.source], count))
                continue
            name = port_of(node, k)
            port = (netlist.nodes[edge.source].format, edge.source, count)
            if ports.setdefault(name, port) != port:
                raise InputError(
                    f"two signals of a unit would both be called {name}",
                    where="tensor names",
                    hint="rename a tensor so that none extends the name of another",
                )
            inputs.append((name, 0))
        parts.append(Part(node.kind, node.name, node.format, tuple(inputs), node.parameters))
    leaving = [(local[n], count) for n in numbers for count in sorted(taps[n])]
    return UnitShape(
        tuple(parts),
        tuple((name, format) for name, (format, _, _) in ports.items()),
        tuple(leaving),
        pipeline.shared,
        tuple(
            (local[e.node], e.stage, tuple((local[wire], values) for wire, values in e.terms))
            for e in enables
        ),
    )


class Unit(wiring.Component):
    """The hardware of a :class:`UnitShape`.

    Ports: the inputs of the shape and an output per tap (see :func:`output_port`), one value
    per cycle.  Registers are not reset: control bits say when values count.
    """

    def __init__(self, shape: UnitShape) -> None:
        self._shape = shape
        members: dict[str, In | Out] = {}
        for name, format in shape.ports:
            members[name] = In(_hdl_shape(format))
        for part, count in shape.taps:
            node = shape.parts[part]
            members[output_port(node.name, count)] = Out(_hdl_shape(node.format))
        super().__init__(members)

    def elaborate(self, platform: object) -> Module:
        """Build the hardware."""
        m = Module()
        shape = self._shape
        values = [
            Signal(_hdl_shape(part.format), name=part.name, reset_less=part.kind in _REGISTERS)
            for part in shape.parts
        ]
        late = self._delayed(m, values)
        for number, (part, value) in enumerate(zip(shape.parts, values, strict=True)):
            inputs = [
                late(source, count) if isinstance(source, int) else getattr(self, source)
                for source, count in part.inputs
            ]
            _emit(m, part, value, inputs, self._gate(number, 0, values))
        for source, count in shape.taps:
            port = output_port(shape.parts[source].name, count)
            m.d.comb += getattr(self, port).eq(late(source, count))
        return m

    def _gate(self, number: int, stage: int, values: Sequence[Signal]) -> Value:
        """When a register takes its value."""
        gate: Value = C(1, 1)
        for part, its_stage, terms in self._shape.enables:
            if (part, its_stage) == (number, stage):
                met = [_is_one_of(values[source], accepted) for source, accepted in terms]
                gate = reduce(and_, met)
        return gate

    def _delayed(self, m: Module, values: Sequence[Signal]) -> Callable[[int, int], Value]:
        """What gives a part's value as it was some cycles ago; to be called once per reader."""
        shape = self._shape

        def alone(source: int, count: int) -> Value:
            value = values[source]
            return delay_line(m, value, value.shape(), {count}, value.name, keep=True)[count]

        if not shape.shared:
            return alone
        needed: list[set[int]] = [set() for _ in values]
        for part in shape.parts:
            for source, count in part.inputs:
                if isinstance(source, int):
                    needed[source].add(count)
        for source, count in shape.taps:
            needed[source].add(count)
        enables: list[dict[int, Value]] = [{} for _ in values]
        for number, stage, _ in shape.enables:
            if stage:
                enables[number][stage] = self._gate(number, stage, values)
        lines = [
            dict.fromkeys(counts, value)
            if part.kind == "constant"
            else delay_line(m, value, value.shape(), counts, value.name, enables=gates)
            for part, value, counts, gates in zip(shape.parts, values, needed, enables, strict=True)
        ]
        return lambda source, count: lines[source][count]


_REGISTERS = ("fifo", "hold", "accumulate", "collect", "partials")
_STEPS = {**DOT_STEPS, **COMPOSE_STEPS, **FLOAT_STEPS, **MULTI_FORMAT_STEPS}


def _emit(m: Module, part: Part, value: Signal, inputs: Sequence[Value], gate: Value) -> None:
    """Drive ``value`` with the primitive ``part``; see netlist.graph for what each kind does.

    A running sum changes only with ``gate``.
    """
    kind = part.kind
    if kind in _STEPS:
        _STEPS[kind](m, value, inputs, part.parameters)
    elif kind == "wire":
        m.d.comb += value.eq(inputs[0])
    elif kind == "constant":
        m.d.comb += value.eq(0)
    elif kind == "select":
        m.d.comb += value.eq(Mux(inputs[2], inputs[0], inputs[1]))
    elif kind == "gate":
        m.d.comb += value.eq(Mux(reduce(and_, inputs[1:], C(1)), inputs[0], 0))
    elif kind == "multiply":
        m.d.comb += value.eq(inputs[0] * inputs[1])
    elif kind == "add":
        m.d.comb += value.eq(inputs[0] + inputs[1])
    elif kind == "fifo":
        (most,) = part.parameters
        assert isinstance(most, int)
        _fifo(m, value, inputs[0], inputs[1], Ring(most))
    elif kind == "hold":
        with m.If(inputs[1]):
            m.d.sync += value.eq(inputs[0])
    elif kind == "collect":
        bit, first, enable = inputs
        with m.If(enable):
            m.d.sync += value.eq(bit | (value & ~first))
    elif kind == "pick":
        words, index = inputs
        m.d.comb += value.eq(_word(words, index, len(value)))
    elif kind == "partials":
        data, index, enable = inputs
        for k in range(len(value) // len(data)):
            with m.If(enable & (index == k)):
                m.d.sync += value[k * len(data) : (k + 1) * len(data)].eq(data)
    elif kind == "choose":
        *values, choice = inputs
        chosen = [values[number] for number in part.parameters if isinstance(number, int)]
        m.d.comb += value.eq(_chosen(m, chosen, choice, value))
    else:
        assert kind == "accumulate", kind
        before: Value = value
        enable = inputs[2] if len(inputs) > 2 else gate
        if part.parameters[:1] == ("chained",):
            # In some dataflows what the neighbour passes on takes the place of the last sum.
            _, passed, issued, _ = part.parameters
            assert isinstance(passed, tuple)
            enable = inputs[2] if issued else gate
            choices = [inputs[-2] if chained else value for chained in passed]
            before = _chosen(m, choices, inputs[-1], value)
        with m.If(enable):
            m.d.sync += value.eq(inputs[0] + Mux(inputs[1], 0, before))


def _chosen(m: Module, values: Sequence[Value], choice: Value, like: Signal) -> Value:
    """The value of the dataflow that ``choice`` says."""
    chosen = Signal(like.shape(), name=f"{like.name}_chosen")
    with m.Switch(choice):
        for number, value in enumerate(values[:-1]):
            with m.Case(number):
                m.d.comb += chosen.eq(value)
        with m.Default():
            m.d.comb += chosen.eq(values[-1])
    return chosen


def _fifo(m: Module, value: Signal, data: Value, depth: Value, ring: Ring) -> None:
    """``value`` is ``data`` as it was 1 + ``depth`` cycles ago."""
    bits = len(data)
    words = Signal(ring.words * bits, name=f"{value.name}_ring", reset_less=True)
    at = Signal(ring.counter_bits, name=f"{value.name}_at")
    m.d.sync += [at.eq(at + 1), words.word_select(at, bits).eq(data)]
    past = _word(words, (at - depth)[: len(at)], bits)
    chosen = Mux(depth == 0, data.as_unsigned(), past)
    m.d.sync += value.eq(chosen.as_signed() if value.shape().signed else chosen)


def _word(words: Value, index: Value, bits: int) -> Value:
    """The word of a number, as a tree of multiplexers: a shift of all words is cut to one, which
    lint takes for a mistake.
    """
    values = [words.word_select(k, bits) for k in range(len(words) // bits)]
    for bit in index:
        pairs = zip(values[::2], values[1::2], strict=False)
        values = [*(Mux(bit, high, low) for low, high in pairs), *values[len(values) & ~1 :]]
    return values[0]


def _is_one_of(value: Value, accepted: Sequence[int]) -> Value:
    if len(value) == 1:
        (bit,) = accepted
        return value if bit else ~value
    return reduce(or_, (value == number for number in accepted))


def _number(parameter: object) -> int:
    assert isinstance(parameter, int)
    return parameter


def _hdl_shape(format: IntFormat) -> Shape:
    return Shape(format.bits, format.signed)


def names_of(shapes: Mapping[Home, UnitShape]) -> dict[UnitShape, str]:
    """A module name per distinct shape: the kind of home, numbered where there are several."""
    names: dict[UnitShape, str] = {}
    counts: dict[str, int] = {}
    for (kind, _), shape in shapes.items():
        if shape not in names:
            names[shape] = f"{kind}_{counts.get(kind, 0)}"
            counts[kind] = counts.get(kind, 0) + 1
    return names
