"""The top level: streams in, memories, controller, array, memories, stream out."""

from __future__ import annotations

from functools import reduce
from operator import and_

from amaranth.hdl import Module, Shape, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import Flow, In, Out

from accelgen.fabric.fabric import Fabric, InputPlan
from accelgen.netlist.controls import MODE
from accelgen.passes.delay_matching import Pipeline
from accelgen.rtl.array import Array
from accelgen.rtl.blocks import rounded, watch_codes
from accelgen.rtl.control import AddressGenerator, Controller, WriteAddressGenerator
from accelgen.rtl.delay import delay_line
from accelgen.rtl.library import UnitLibrary
from accelgen.rtl.streams.collector import Collector
from accelgen.rtl.streams.input_buffer import InputBuffer
from accelgen.rtl.streams.loader import Loader
from accelgen.rtl.streams.output_buffer import OutputBuffer
from accelgen.rtl.top import (
    Stopwatch,
    connect_input,
    connect_output,
    sequence,
    start_at,
    stopwatch,
)

__all__ = ["Kernel", "stream_ports"]


class Kernel(wiring.Component):
    """A kernel design, as described in the manifest.

    Ports: an AXI4-Stream slave ``s_axis_<tensor>`` per input, a master ``m_axis_<tensor>``,
    ``busy`` (from the issue of the first iteration to the last write), ``error`` (sticky: a
    packet of the wrong length was dropped).  Block formats: ``s_axis_<tensor>_scale`` beside every
    input, and ``bad_number`` (sticky: a scale or an element came in that is no number or outside
    the range; the block it is of counts as zero, the element alone if it is one).  Elements of a
    width that the problem chooses: ``s_axis_<tensor>_tuser`` (0, 1, 2: 2, 4, 8 bits; that of the
    last beat of a packet counts).  Latency and throughput: see accelgen.cycles.
    """

    def __init__(
        self,
        fabric: Fabric,
        pipeline: Pipeline,
        library: UnitLibrary,
        rounding: Pipeline | None = None,
    ) -> None:
        assert (rounding is None) == (fabric.kernel.blocks is None)
        self._fabric = fabric
        self._pipeline = pipeline
        self._rounding = rounding
        self._library = library
        super().__init__(
            {
                **{
                    port: member
                    for plan in fabric.inputs
                    for port, member in stream_ports(plan.tensor.name, In, fabric).items()
                },
                **stream_ports(fabric.output.tensor.name, Out, fabric),
                "busy": Out(1),
                "error": Out(1),
                **({"bad_number": Out(1)} if fabric.kernel.blocks else {}),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the hardware."""
        m = Module()
        fabric, pipeline, library = self._fabric, self._pipeline, self._library
        nodes = pipeline.netlist.nodes
        control_bits = [node for node in nodes if node.kind == "flag" and node.group == "control"]
        flags = [node for node in control_bits if node.parameters[0] != "mode"]
        control = library.instance(Controller(fabric, flags), "controller")
        array = library.instance(Array(pipeline, fabric.kernel.space_extents, library), "array")
        m.submodules.controller = control
        m.submodules.array = array
        m.d.comb += [getattr(array, node.name).eq(getattr(control, node.name)) for node in flags]

        go = Signal()
        elapsed = stopwatch(m, go, max(self._offsets()))
        done = Signal()
        self._start(m, elapsed, fabric.prologue, control)
        loaders = [self._input(m, plan, array, elapsed, release=done) for plan in fabric.inputs]
        free, cleared = self._output(m, array, elapsed, done)
        m.d.comb += [loader.enable.eq(cleared) for loader in loaders]
        for node in control_bits:
            if node not in flags:
                plans = [plan.tensor.name for plan in fabric.inputs]
                loader = loaders[plans.index(str(node.parameters[1]))]
                m.d.comb += getattr(array, node.name).eq(loader.user)
        if fabric.kernel.blocks is not None:
            watched = [
                (plan.tensor.name.lower(), plan.banked.layout, loader)
                for plan, loader in zip(fabric.inputs, loaders, strict=True)
            ]
            m.d.comb += self.bad_number.eq(watch_codes(m, library, fabric.kernel.blocks, watched))
        ready = reduce(and_, (loader.full for loader in loaders), free)
        sequence(m, self, go, done, ready, control.issue, loaders)
        return m

    def _offsets(self) -> list[int]:
        """Cycles after the prologue's begin at which the loop nests start."""
        fabric, pipeline = self._fabric, self._pipeline
        output = fabric.output.pattern.start + pipeline.position("write.control")
        reads = [
            plan.pattern.start + pipeline.position(f"read.{plan.tensor.name}")
            for plan in fabric.inputs
        ]
        return [fabric.prologue + offset for offset in (0, output, *reads)]

    def _start(self, m: Module, watch: Stopwatch, cycle: int, nest: wiring.Component) -> None:
        """Start a nest ``cycle`` cycles after the prologue begins."""
        elapsed, _ = watch
        start_at(m, watch, elapsed == cycle, nest)

    def _input(
        self,
        m: Module,
        plan: InputPlan,
        array: wiring.Component,
        watch: Stopwatch,
        release: Value,
    ) -> Loader:
        name, banked = plan.tensor.name.lower(), plan.banked
        library = self._library
        loader = library.instance(
            Loader(
                banked.layout,
                self._fabric.bus_bits,
                library,
                f"walker_{name}",
                user_bits=_user_bits(self._fabric),
            ),
            f"loader_{name}",
        )
        buffer = library.instance(
            InputBuffer(banked.layout, banked.slots, banked.rotating, library),
            f"buffer_{name}",
        )
        assert banked.read_latency == InputBuffer.latency_of(banked.layout, banked.rotating)
        address = library.instance(AddressGenerator(banked), f"address_{name}")
        m.submodules[f"loader_{name}"] = loader
        m.submodules[f"buffer_{name}"] = buffer
        m.submodules[f"address_{name}"] = address
        connect_input(m, self, loader.stream, name)
        if _user_bits(self._fabric):
            m.d.comb += loader.user_in.eq(getattr(self, f"s_axis_{name}_tuser"))
        wiring.connect(m, loader.write, buffer.write)
        cycle = plan.pattern.start + self._pipeline.position(f"read.{plan.tensor.name}")
        self._start(m, watch, self._fabric.prologue + cycle, address)
        m.d.comb += [
            loader.release.eq(release),
            buffer.page.eq(loader.page),
            buffer.address.eq(address.address),
        ]
        for j in self._rotating(banked.rotating):
            m.d.comb += getattr(buffer, f"residue_{j}").eq(getattr(address, f"residue_{j}"))
        for slot in range(len(banked.slots)):
            m.d.comb += getattr(array, f"{name}_read{slot}").eq(getattr(buffer, f"data_{slot}"))
        return loader

    def _output(
        self,
        m: Module,
        array: wiring.Component,
        watch: Stopwatch,
        done: Signal,
    ) -> tuple[Value, Value]:
        """Returns whether the output memory has a free page, and whether it is cleared."""
        plan, library, pipeline = self._fabric.output, self._library, self._pipeline
        name, banked = plan.tensor.name.lower(), plan.banked
        layout = banked.layout
        exact_bus = layout.per_beat * layout.element_bits
        nodes = pipeline.netlist.nodes
        flags = [node for node in nodes if node.kind == "flag" and node.group == "write.control"]
        address = library.instance(
            WriteAddressGenerator(plan.pattern, banked, flags), f"address_{name}"
        )
        buffer = library.instance(
            OutputBuffer(
                layout, banked.slots, banked.rotating, library, accumulate=plan.accumulate
            ),
            f"buffer_{name}",
        )
        latency = banked.write_latency(plan.accumulate)
        assert latency == OutputBuffer.latency_of(
            layout, banked.rotating, accumulate=plan.accumulate
        )
        collector = library.instance(
            Collector(
                layout,
                exact_bus if self._rounding else self._fabric.bus_bits,
                library,
                f"walker_{name}",
                accumulate=plan.accumulate,
            ),
            f"collector_{name}",
        )
        m.submodules[f"address_{name}"] = address
        m.submodules[f"buffer_{name}"] = buffer
        m.submodules[f"collector_{name}"] = collector
        bus = self._fabric.bus_bits
        leaving = rounded(m, library, self._rounding, layout.per_beat, bus, collector.stream, name)
        connect_output(m, self, leaving, name)
        wiring.connect(m, collector.read, buffer.read)
        position = pipeline.position("write.control")
        self._start(m, watch, self._fabric.prologue + plan.pattern.start + position, address)
        wait = pipeline.latency - position
        ports = ["address", *(f"residue_{j}" for j in self._rotating(banked.rotating))]
        for port in ports:
            value = getattr(address, port)
            line = delay_line(m, value, Shape(len(value)), {wait}, port)
            m.d.comb += getattr(buffer, port).eq(line[wait])
        for number, node in enumerate(nodes):
            if node.kind != "write":
                continue
            slot = node.parameters[0]
            data: Signal = getattr(array, node.name)
            flag = nodes[node.inputs[1].source].name
            count = pipeline.registers[number][1]
            enable = delay_line(m, getattr(address, flag), Shape(1), {count}, flag, reset=True)
            m.d.comb += [
                getattr(buffer, f"data_{slot}").eq(data),
                getattr(buffer, f"enable_{slot}").eq(enable[count]),
            ]
        finished = delay_line(m, address.final, Shape(1), {wait + latency - 1}, "final", reset=True)
        m.d.comb += [done.eq(finished[wait + latency - 1]), buffer.commit.eq(done)]
        return buffer.free, buffer.ready

    @staticmethod
    def _rotating(rotating: tuple[bool, ...]) -> list[int]:
        return [j for j, rotates in enumerate(rotating) if rotates]


def stream_ports(tensor: str, flow: Flow, fabric: Fabric) -> dict[str, wiring.Member]:
    """An AXI4-Stream with the usual flat port names; ``flow`` is the direction of the data."""
    prefix = f"{'s' if flow is In else 'm'}_axis_{tensor.lower()}"
    return {
        f"{prefix}_tdata": flow(fabric.bus_bits),
        f"{prefix}_tvalid": flow(1),
        f"{prefix}_tready": flow.flip()(1),
        f"{prefix}_tlast": flow(1),
        **({f"{prefix}_tuser": In(bits)} if flow is In and (bits := _user_bits(fabric)) else {}),
    }


def _user_bits(fabric: Fabric) -> int:
    """Bits beside the data of an input: the mode, where it comes with a problem's data."""
    return MODE.bits if fabric.kernel.composed and not fabric.programmable else 0
