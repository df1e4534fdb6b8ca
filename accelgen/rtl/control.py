"""The controller of the main loop nest, and the address generators of the tensors."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import and_

from amaranth.hdl import Const, Module, Mux, Shape, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from accelgen.affine.spacetime import IntVector
from accelgen.fabric.access import AccessPattern
from accelgen.fabric.banks import BankedAccess
from accelgen.fabric.fabric import Fabric, Guard
from accelgen.formats import IntFormat
from accelgen.netlist.graph import Node
from accelgen.rtl.nest import (
    Nest,
    advance,
    affine_counter,
    loop_nest,
    modular_counter,
    step_distances,
)
from accelgen.rtl.streams.geometry import address_bits

__all__ = ["AddressGenerator", "Controller", "WriteAddressGenerator"]


class Controller(wiring.Component):
    """Issues the iterations and derives the control bits of the array.

    Ports: ``start`` (pulse), ``issue`` (high while an iteration is issued, first in the cycle
    after ``start``), one output per flag of the netlist, named after its node, registered: one
    cycle after the iteration it belongs to.  Throughput one iteration per cycle, stretched where
    the schedule is.
    """

    def __init__(self, fabric: Fabric, flags: Sequence[Node]) -> None:
        self._fabric = fabric
        self._flags = tuple(flags)
        super().__init__(
            {"start": In(1), "issue": Out(1), **{node.name: Out(1) for node in self._flags}}
        )

    def elaborate(self, platform: object) -> Module:
        """Build the hardware."""
        m = Module()
        domain = self._fabric.domain
        nest = loop_nest(m, domain.extents, domain.gaps, self.start)
        m.d.comb += self.issue.eq(nest.valid)
        guards = _Guards(m, nest, domain)
        for node in self._flags:
            kind, *arguments = node.parameters
            m.d.sync += getattr(self, node.name).eq(_condition(nest, guards, str(kind), arguments))
        return m


class AddressGenerator(wiring.Component):
    """The address counters of one input tensor.

    Ports: ``start`` (pulse), ``address`` and ``residue_<j>`` of the present access (see
    InputBuffer), registers, valid from the cycle after ``start``, one access per cycle or as
    the pattern's strides say.
    """

    def __init__(self, banked: BankedAccess) -> None:
        self._banked = banked
        super().__init__({"start": In(1), **_address_ports(banked)})

    def elaborate(self, platform: object) -> Module:
        """Build the hardware."""
        m = Module()
        nest = loop_nest(m, self._banked.extents, self._banked.gaps, self.start)
        _address_counters(m, nest, self._banked, self)
        return m


class WriteAddressGenerator(wiring.Component):
    """The address counters of the output tensor, and the write enables of its slots.

    Ports as AddressGenerator, ``final`` (the present access is the last), and one output per
    flag, registered: one cycle after the access it belongs to.
    """

    def __init__(self, pattern: AccessPattern, banked: BankedAccess, flags: Sequence[Node]) -> None:
        self._pattern = pattern
        self._banked = banked
        self._flags = tuple(flags)
        super().__init__(
            {
                "start": In(1),
                "final": Out(1),
                **_address_ports(banked),
                **{node.name: Out(1) for node in self._flags},
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the hardware."""
        m = Module()
        nest = loop_nest(m, self._banked.extents, self._banked.gaps, self.start)
        m.d.comb += self.final.eq(nest.final)
        _address_counters(m, nest, self._banked, self)
        guards = _Guards(m, nest, self._pattern)
        for node in self._flags:
            kind, *arguments = node.parameters
            m.d.sync += getattr(self, node.name).eq(_condition(nest, guards, str(kind), arguments))
        return m


class _Guards:
    """Comparisons of affine indices with bounds; each counter and comparison is made once."""

    def __init__(self, m: Module, nest: Nest, pattern: AccessPattern) -> None:
        self._m = m
        self._nest = nest
        self._pattern = pattern
        self._counters: dict[int, Signal] = {}
        self._known: dict[Guard, Value] = {}

    def __call__(self, guard: Guard) -> Value:
        if guard not in self._known:
            value = self._counter(guard.dimension)
            sides = []
            if guard.low is not None:
                sides.append(value >= guard.low)
            if guard.high is not None:
                sides.append(value <= guard.high)
            self._known[guard] = reduce(and_, sides)
        return self._known[guard]

    def _counter(self, dimension: int) -> Signal:
        if dimension not in self._counters:
            pattern = self._pattern
            bare = AccessPattern(
                pattern.tensor, pattern.extents, pattern.strides, pattern.start, pattern.steps,
                pattern.origin, ((0,) * len(pattern.origin),),
            )  # fmt: skip
            format = IntFormat.for_range(*bare.range(dimension))
            self._counters[dimension] = affine_counter(
                self._m,
                self._nest,
                pattern.steps[dimension],
                pattern.origin[dimension],
                Shape(format.bits, format.signed),
                f"index{dimension}",
            )
        return self._counters[dimension]


def _condition(nest: Nest, guards: _Guards, kind: str, arguments: Sequence[object]) -> Value:
    """The condition a flag stands for (see accelgen.netlist)."""
    true: Value = Const(1)
    if kind == "issue":
        return nest.valid
    if kind == "first":
        (level,) = arguments
        assert isinstance(level, int)
        return reduce(and_, (index == 0 for index in nest.indices[level:]), nest.valid)
    if kind == "last":
        (level,) = arguments
        assert isinstance(level, int)
        return reduce(and_, nest.at_end[level:], nest.valid)
    if kind == "inside":
        (dt,) = arguments
        assert isinstance(dt, tuple)
        sides = []
        for index, extent, step in zip(nest.indices, nest.extents, dt, strict=True):
            if step > 0:
                sides.append(index >= step)
            elif step < 0:
                sides.append(index < extent + step)
        return reduce(and_, sides, true)
    if kind == "guard":
        (guard,) = arguments
        assert isinstance(guard, Guard)
        return guards(guard)
    assert kind == "write", kind
    slot_guards, members = arguments
    assert isinstance(slot_guards, tuple)
    condition: Value = reduce(and_, (guards(guard) for guard in slot_guards), nest.valid)
    if isinstance(members, int):
        # A drain chain shorter than the others ends early.
        condition &= nest.indices[-1] < members
    return condition


def _address_ports(banked: BankedAccess) -> dict[str, Out]:
    ports = {"address": Out(address_bits(banked.layout))}
    for j, (rotates, modulus) in enumerate(zip(banked.rotating, banked.layout.moduli, strict=True)):
        if rotates:
            ports[f"residue_{j}"] = Out(range(modulus))
    return ports


def _address_counters(m: Module, nest: Nest, banked: BankedAccess, ports: wiring.Component) -> None:
    """``address`` is one counter; only rotating dimensions need residues, which carry into it."""
    layout = banked.layout
    coefficients = [0] * len(nest.extents)
    origin = 0
    floors = [0] * len(nest.extents)
    carries: Value = Const(0)
    for j, (modulus, stride) in enumerate(zip(layout.moduli, layout.strides, strict=True)):
        steps: IntVector = banked.steps[j]
        origin += banked.origin[j] // modulus * stride
        if banked.rotating[j]:
            residue, carry = modular_counter(
                m, nest, steps, banked.origin[j], modulus, f"residue{j}"
            )
            m.d.comb += getattr(ports, f"residue_{j}").eq(residue)
            carries = carries + Mux(carry, stride, 0)
            for level, distance in enumerate(step_distances(nest.extents, steps)):
                floors[level] += distance // modulus * stride
        else:
            for level, step in enumerate(steps):
                coefficients[level] += step // modulus * stride
    distances = [
        a + b for a, b in zip(step_distances(nest.extents, coefficients), floors, strict=True)
    ]
    shape = Shape(address_bits(layout))
    counter = Signal(shape, name="counter", init=origin % (1 << shape.width))
    advance(m, nest, counter, distances, carries, origin)
    m.d.comb += ports.address.eq(counter)
