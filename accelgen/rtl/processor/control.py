"""The loop nests of a design whose bounds are registers, and the control bits they give."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import and_

from amaranth.hdl import C, Module, Shape, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from accelgen.fabric.fabric import Guard, InputPlan, OutputPlan
from accelgen.fabric.forms import BankForm
from accelgen.netlist.fuse import conditions_of
from accelgen.netlist.graph import Node
from accelgen.processor.flow import Flow
from accelgen.processor.formats import format_register
from accelgen.processor.numbers import Kind, guarded, write_guarded
from accelgen.processor.registers import Quantity, levels_of
from accelgen.rtl.delay import delay_line
from accelgen.rtl.processor.nest import Index, LoadedNest, Turning, paced, triggered
from accelgen.rtl.processor.numbers import NumberPorts, by_dataflow
from accelgen.rtl.streams.geometry import address_bits

__all__ = ["LoadAddresses", "LoadedController", "WriteControl"]


class LoadedController(wiring.Component):
    """Issues the iterations of a problem and derives the control bits of the array.

    Ports as those of :class:`accelgen.rtl.control.Controller`; an input per loaded number that it
    looks at, which stays from ``start`` to the last iteration; and ``tile``, high while the
    iteration is issued that ends the sums of a tile.
    """

    def __init__(
        self, flows: Sequence[Flow], quantities: Sequence[Quantity], flags: Sequence[Node]
    ) -> None:
        self._flows = tuple(flows)
        self._flags = tuple(flags)
        self._levels = levels_of(flows)
        self.numbers = NumberPorts(
            quantities,
            lambda number: not number.tensor or number.kind in (Kind.DEPTH, Kind.HOLDS),
            len(flows),
        )
        super().__init__(
            {
                "start": In(1),
                "issue": Out(1),
                "tile": Out(1),
                **self.numbers.members,
                **{node.name: Out(node.format.bits) for node in self._flags},
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the hardware."""
        m = Module()
        levels = range(self._levels)
        lasts = [self.numbers.value(m, self, f"last{level}") for level in levels]
        gaps = {
            level: self.numbers.value(m, self, f"gap{level}")
            for level in levels
            if f"gap{level}" in self.numbers
        }
        nest = paced(m, lasts, gaps, self.start)
        m.d.comb += self.issue.eq(nest.valid)
        ends = [self._ends(nest, flow) for flow in self._flows]
        m.d.comb += self.tile.eq(by_dataflow(m, self, ends, "tile"))
        guards = [
            _Guards(m, nest, self.numbers, self, "guard", guarded(flow.fabric),
                    flow.fabric.kernel.bounds)
            for flow in self._flows
        ]  # fmt: skip
        counters: dict[str, Index] = {}
        for own in guards:
            own.counters = counters
        for node in self._flags:
            values = [
                self._condition(m, nest, flow, own, condition)
                for flow, own, condition in zip(
                    self._flows, guards, conditions_of(node, len(self._flows)), strict=True
                )
            ]
            m.d.sync += getattr(self, node.name).eq(by_dataflow(m, self, values, node.name))
        return m

    def _ends(self, nest: LoadedNest, flow: Flow) -> Value:
        hold = flow.structure.hold[flow.fabric.output.tensor.name]
        if hold is None:
            return nest.valid
        pad = self._levels - len(flow.fabric.kernel.time)
        return reduce(and_, nest.at_end[hold + pad :], nest.valid)

    def _condition(
        self,
        m: Module,
        nest: LoadedNest,
        flow: Flow,
        guards: _Guards,
        condition: tuple[object, ...] | None,
    ) -> Value:
        """What a flag stands for in one dataflow; high where it has none."""
        pad = self._levels - len(flow.fabric.kernel.time)
        if condition is None:
            return C(1)
        kind, *arguments = condition
        if kind == "dataflow":
            return self.dataflow
        if kind == "constant":
            return C(int(bool(arguments[0])))
        if kind == "issue":
            return nest.valid
        if kind in ("first", "last"):
            (level,) = arguments
            assert isinstance(level, int)
            if kind == "last":
                return reduce(and_, nest.at_end[level + pad :], nest.valid)
            return reduce(and_, (i == 0 for i in nest.indices[level + pad :]), nest.valid)
        if kind == "mode":
            (tensor,) = arguments
            return self.numbers.value(m, self, format_register(str(tensor)))
        if kind == "depth":
            tensor, number = arguments
            return self.numbers.value(m, self, f"{str(tensor).lower()}_depth{number}")
        if kind == "inside":
            dt, tensor, number = arguments
            assert isinstance(dt, tuple)
            sides = [self.numbers.value(m, self, f"{str(tensor).lower()}_holds{number}")]
            for level, step in enumerate(dt):
                index, last = nest.indices[level + pad], nest.lasts[level + pad]
                if step > 0:
                    sides.append(index >= step)
                elif step < 0:
                    sides.append(index - step <= last)
            return reduce(and_, sides)
        assert kind == "guard", kind
        (guard,) = arguments
        assert isinstance(guard, Guard)
        return guards(guard)


class _Guards:
    """Comparisons of indices with bounds that are subtracted from them at first."""

    def __init__(
        self,
        m: Module,
        nest: LoadedNest,
        numbers: NumberPorts,
        component: wiring.Component,
        prefix: str,
        dimensions: Sequence[int],
        bounds: Sequence[int],
    ) -> None:
        self._m = m
        self._nest = nest
        self._numbers = numbers
        self._component = component
        self._prefix = prefix
        self._number = {d: k for k, d in enumerate(dimensions)}
        self._bounds = bounds
        self.counters: dict[str, Index] = {}

    def __call__(self, guard: Guard) -> Value:
        k = self._number[guard.dimension]
        sides = []
        if guard.low is not None:
            sides.append(self._counter(k, "below") >= guard.low)
        if guard.high is not None:
            most = guard.high - self._bounds[guard.dimension]
            sides.append(self._counter(k, "above") <= most)
        return reduce(and_, sides)

    def _counter(self, k: int, side: str) -> Value:
        name = f"{self._prefix}{k}_{side}"
        if name not in self.counters:
            m, numbers, component = self._m, self._numbers, self._component
            origin = numbers.value(m, component, name)
            steps = {
                level: numbers.value(m, component, step)
                for level in range(len(self._nest.lasts))
                if (step := f"{self._prefix}{k}_by{level}") in numbers
            }
            shape = Shape(len(origin), signed=True)
            self.counters[name] = Index(m, self._nest, shape, origin, steps, name)
        return self.counters[name].value


class LoadAddresses(wiring.Component):
    """The address counters of one input: as :class:`accelgen.rtl.control.AddressGenerator`, with an
    input per loaded number that it looks at.
    """

    def __init__(
        self, flows: Sequence[Flow], quantities: Sequence[Quantity], position: int
    ) -> None:
        self._flows = tuple(flows)
        self._plans = [flow.fabric.inputs[position] for flow in flows]
        self._name = self._plans[0].tensor.name
        self.numbers = _access_numbers(flows, quantities, self._name)
        self._form = flows[0].run_time.forms[self._name]
        super().__init__(
            {"start": In(1), **_address_ports(flows, self._name), **self.numbers.members}
        )

    def elaborate(self, platform: object) -> Module:
        """Build the hardware."""
        m = Module()
        lasts = _lasts(m, self, self.numbers, self._flows, self._plans)
        x = self._name.lower()
        gaps = {
            level: self.numbers.value(m, self, name)
            for level in range(len(lasts))
            if (name := f"{x}_gap{level}") in self.numbers
        }
        nest = paced(m, lasts, gaps, self.start)
        _address(m, self, nest, self.numbers, self._form, self._flows, self._name)
        return m


class WriteControl(wiring.Component):
    """The address counters of the output, and the write enables of its slots.

    As :class:`accelgen.rtl.control.WriteAddressGenerator`, but that a run of accesses begins with
    each ``tile``, ``delays[d]`` cycles later in dataflow ``d`` (the first access counted as one).
    """

    def __init__(
        self,
        flows: Sequence[Flow],
        quantities: Sequence[Quantity],
        flags: Sequence[Node],
        delays: Sequence[int],
    ) -> None:
        self._flows = tuple(flows)
        self._plans = [flow.fabric.output for flow in flows]
        self._flags = tuple(flags)
        self._delays = tuple(delays)
        self._name = self._plans[0].tensor.name
        self.numbers = _access_numbers(flows, quantities, self._name)
        super().__init__(
            {
                "start": In(1),
                "tile": In(1),
                "final": Out(1),
                **_address_ports(flows, self._name),
                **self.numbers.members,
                **{node.name: Out(1) for node in self._flags},
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the hardware."""
        m = Module()
        lasts = _lasts(m, self, self.numbers, self._flows, self._plans)
        assert min(self._delays) >= 1
        line = delay_line(m, self.tile, Shape(1), {d - 1 for d in self._delays}, "tile", reset=True)
        trigger = by_dataflow(m, self, [line[d - 1] for d in self._delays], "trigger")
        spaces = [0 if p.chain is None else p.chain.spacing - 1 for p in self._plans]
        width = max(1, max(spaces).bit_length())
        gap = by_dataflow(m, self, [C(space, width) for space in spaces], "gap")
        nest = triggered(m, lasts, gap, trigger, self.start)
        m.d.comb += self.final.eq(nest.final)
        form = self._flows[0].run_time.forms[self._name]
        _address(m, self, nest, self.numbers, form, self._flows, self._name)
        counters: dict[str, Index] = {}
        guards = []
        for plan, flow in zip(self._plans, self._flows, strict=True):
            dimensions = write_guarded(flow.fabric)
            own = _Guards(m, nest, self.numbers, self, "write", dimensions, plan.tensor.shape)
            own.counters = counters
            guards.append(own)
        for node in self._flags:
            values = []
            for own, condition in zip(guards, conditions_of(node, len(self._flows)), strict=True):
                values.append(_write_condition(nest, own, condition))
            m.d.sync += getattr(self, node.name).eq(by_dataflow(m, self, values, node.name))
        return m


def _write_condition(
    nest: LoadedNest, guards: _Guards, condition: tuple[object, ...] | None
) -> Value:
    """Whether a slot writes; a dataflow that does not have it never does."""
    if condition is None:
        return C(0)
    kind, slot_guards, members = condition
    assert kind == "write"
    assert isinstance(slot_guards, tuple)
    enable: Value = reduce(and_, (guards(guard) for guard in slot_guards), nest.valid)
    if isinstance(members, int):
        # A drain chain shorter than the others ends early.
        enable = enable & (nest.indices[-1] < members)
    return enable


def _access_numbers(
    flows: Sequence[Flow], quantities: Sequence[Quantity], tensor: str
) -> NumberPorts:
    """The numbers of the nest of a tensor's accesses, and of what moves with it."""
    kinds = (Kind.ADDRESS, Kind.RESIDUE, Kind.GAP, Kind.GUARD, Kind.GUARD_STEP)
    return NumberPorts(
        quantities,
        lambda number: (
            number.kind is Kind.LAST or (number.tensor == tensor and number.kind in kinds)
        ),
        len(flows),
    )


def _lasts(
    m: Module,
    component: wiring.Component,
    numbers: NumberPorts,
    flows: Sequence[Flow],
    plans: Sequence[InputPlan | OutputPlan],
) -> list[Value]:
    """The extents, less one, of a tensor's nest: those main loops that move it, then its chain."""
    levels = levels_of(flows)
    lasts = []
    for level in range(levels):
        own = []
        for flow, plan in zip(flows, plans, strict=True):
            pad = levels - len(flow.fabric.kernel.time)
            inside = plan.hold is None or level < plan.hold + pad
            own.append(numbers.value(m, component, f"last{level}") if inside else C(0))
        lasts.append(by_dataflow(m, component, own, f"{plans[0].tensor.name.lower()}_last{level}"))
    chains = [0 if plan.chain is None else plan.chain.length - 1 for plan in plans]
    width = max(1, max(chains).bit_length())
    lasts.append(by_dataflow(m, component, [C(n, width) for n in chains], "chain_last"))
    return lasts


def _rotating(flows: Sequence[Flow], tensor: str) -> list[int]:
    """The dimensions whose residue moves in some dataflow."""
    forms = [flow.run_time.forms[tensor] for flow in flows]
    return [
        j
        for j, modulus in enumerate(forms[0].moduli)
        if modulus > 1 and any(form.rotating[j] for form in forms)
    ]


def _address_ports(flows: Sequence[Flow], tensor: str) -> dict[str, Out]:
    form = flows[0].run_time.forms[tensor]
    return {
        "address": Out(address_bits(form.largest)),
        **{f"residue_{j}": Out(range(form.moduli[j])) for j in _rotating(flows, tensor)},
    }


def _address(
    m: Module,
    component: wiring.Component,
    nest: LoadedNest,
    numbers: NumberPorts,
    form: BankForm,
    flows: Sequence[Flow],
    tensor: str,
) -> None:
    """The address of the present access, and the residues that turn with it."""
    x, rank = tensor.lower(), len(form.moduli)
    levels = range(len(nest.lasts))

    def number(name: str) -> Value:
        return numbers.value(m, component, f"{x}_{name}")

    turning = {
        j: Turning(
            form.moduli[j],
            number(f"at_{j}"),
            {n: number(f"turn{n}_{j}") for n in levels if f"{x}_turn{n}_{j}" in numbers},
            number(f"stride_{j}") if j < rank - 1 else C(1),
        )
        for j in _rotating(flows, tensor)
    }
    steps = {n: number(f"step{n}") for n in levels if f"{x}_step{n}" in numbers}
    bits = address_bits(form.largest)
    index = Index(m, nest, Shape(bits), number("at"), steps, x, turning)
    m.d.comb += component.address.eq(index.value)
    for j, residue in index.residues.items():
        m.d.comb += getattr(component, f"residue_{j}").eq(residue)
