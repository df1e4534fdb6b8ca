"""The top level of a design whose bounds are registers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from operator import and_

from amaranth.hdl import Cat, Module, Mux, Shape, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from accelgen.affine.multi import MultiProduct
from accelgen.fabric.forms import BankForm
from accelgen.fabric.layout import Layout
from accelgen.passes.delay_matching import Pipeline
from accelgen.processor.flow import Flow
from accelgen.processor.formats import format_register
from accelgen.processor.registers import ACCUMULATE, STAGE, Quantity, registers_of
from accelgen.rtl.array import Array
from accelgen.rtl.blocks import rounded, watch_codes
from accelgen.rtl.delay import delay_line
from accelgen.rtl.kernel import stream_ports
from accelgen.rtl.library import UnitLibrary
from accelgen.rtl.output_stage import OutputStage, Parameters, StageForm
from accelgen.rtl.output_stage.form import SUM_BITS
from accelgen.rtl.processor.axil import AXIL_PORTS, RegisterPort
from accelgen.rtl.processor.control import LoadAddresses, LoadedController, WriteControl
from accelgen.rtl.processor.numbers import by_dataflow
from accelgen.rtl.streams.adder import StreamAdder
from accelgen.rtl.streams.addressing import Slots
from accelgen.rtl.streams.collector import Collector
from accelgen.rtl.streams.input_buffer import InputBuffer
from accelgen.rtl.streams.loader import Loader
from accelgen.rtl.streams.output_buffer import OutputBuffer
from accelgen.rtl.streams.walker import shape_ports
from accelgen.rtl.top import (
    Stopwatch,
    connect_input,
    connect_output,
    sequence,
    start_at,
    stopwatch,
)

__all__ = ["Processor"]


class Processor(wiring.Component):
    """A kernel whose dataflow and bounds are registers.

    Ports: those of :class:`accelgen.rtl.kernel.Kernel` but ``tuser``, and an AXI4-Lite slave
    ``s_axil`` (see :class:`RegisterPort`).  A problem is described by writing its registers and
    starting it; then its packets are accepted.  It is computed when they are complete and the one
    before is done, and from that cycle on the registers can be written for the next one, whose
    packets are taken while this one is computed.  Latency and throughput: those of the model of
    each problem.

    With ``accumulate_in``: a stream ``s_axis_<output>`` too.  To the result of a problem whose
    register ``accumulate`` is 1, a packet of it is added on the way out.

    With a ``stage``: streams ``s_axis_<output>_parameters``, of which every problem takes a packet
    before it begins, and ``s_axis_<output>_residual``, of which problems that have one take it as
    their sums leave; results are those of an :class:`OutputStage`.
    """

    def __init__(
        self,
        flows: Sequence[Flow],
        quantities: Sequence[Quantity],
        pipeline: Pipeline,
        library: UnitLibrary,
        *,
        rounding: Pipeline | None = None,
        accumulate_in: bool = False,
        stage: StageForm | None = None,
    ) -> None:
        assert stage is None or (rounding is None and not accumulate_in)
        self._accumulate_in = accumulate_in
        self._stage = stage
        self._flows = tuple(flows)
        self._rounding = rounding
        self._quantities = tuple(quantities)
        self._pipeline = pipeline
        self._library = library
        self._fabric = flows[0].fabric
        fabric = self._fabric
        output = fabric.output.tensor.name
        beside = [f"{output}_{kind}" for kind in (("parameters", "residual") if stage else ())]
        super().__init__(
            {
                **{
                    port: member
                    for plan in fabric.inputs
                    for port, member in stream_ports(plan.tensor.name, In, fabric).items()
                },
                **(stream_ports(output, In, fabric) if accumulate_in else {}),
                **{
                    port: member
                    for name in beside
                    for port, member in stream_ports(name, In, fabric).items()
                },
                **stream_ports(output, Out, fabric),
                **{f"s_axil_{name}": member for name, member in AXIL_PORTS.items()},
                "busy": Out(1),
                "error": Out(1),
                **({"bad_number": Out(1)} if fabric.kernel.blocks else {}),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the hardware."""
        m = Module()
        library, nodes = self._library, self._pipeline.netlist.nodes
        registers = registers_of(
            self._quantities,
            len(self._flows),
            accumulate_in=self._accumulate_in,
            stage=self._stage,
        )
        port = library.instance(RegisterPort(registers), "registers")
        m.submodules.registers = port
        for name, member in AXIL_PORTS.items():
            outer, inner = getattr(self, f"s_axil_{name}"), getattr(port, f"axil_{name}")
            m.d.comb += inner.eq(outer) if member.flow == In else outer.eq(inner)

        go = Signal()
        done = Signal()
        m.d.comb += [port.taken.eq(go), port.finished.eq(done)]
        # What is computed with stays while the registers are written for the next problem.
        self._active: dict[str, Signal] = {}
        for register in registers:
            active = Signal(register.bits, name=f"active_{register.name}", reset_less=True)
            with m.If(go):
                m.d.sync += active.eq(getattr(port, register.name))
            self._active[register.name] = active

        flags = [node for node in nodes if node.kind == "flag" and node.group == "control"]
        control = library.instance(
            LoadedController(self._flows, self._quantities, flags), "controller"
        )
        array = library.instance(
            Array(self._pipeline, self._fabric.kernel.space_extents, library), "array"
        )
        m.submodules.controller = control
        m.submodules.array = array
        self._connect_numbers(m, control)
        m.d.comb += [getattr(array, node.name).eq(getattr(control, node.name)) for node in flags]

        watch = stopwatch(m, go, self._last_start())
        self._start(m, watch, [flow.fabric.prologue for flow in self._flows], control)
        loaders = [
            self._input(m, position, array, port, watch, release=done)
            for position in range(len(self._fabric.inputs))
        ]
        self._parameters = self._table(m, port, go)
        free, cleared, adders = self._output(m, array, control, done)
        m.d.comb += [loader.enable.eq(cleared) for loader in loaders]
        if self._fabric.kernel.blocks is not None:
            names = [plan.tensor.name for plan in self._fabric.inputs]
            watched = [
                (name.lower(), _form(self._flows[0], name).largest, loader)
                for name, loader in zip(names, loaders, strict=True)
            ]
            blocks = self._fabric.kernel.blocks
            format = getattr(port, format_register("")) if self._chosen else None
            m.d.comb += self.bad_number.eq(watch_codes(m, library, blocks, watched, format))
        ready = reduce(and_, (loader.full for loader in loaders), port.pending & free)
        if self._parameters is not None:
            ready = ready & self._parameters.ready
            m.d.comb += self._parameters.enable.eq(cleared)
            adders = [*adders, self._parameters]
        running = sequence(m, self, go, done, ready, control.issue, [*loaders, *adders])
        m.d.comb += port.computing.eq(running)
        return m

    def _connect_numbers(self, m: Module, unit: wiring.Component) -> None:
        """Give a unit the numbers of the problem that is computed."""
        for name, active in self._active.items():
            if name in unit.signature.members:
                m.d.comb += getattr(unit, name).eq(active)

    @property
    def dataflow(self) -> Value:
        """The dataflow of the problem that is computed."""
        return self._active["dataflow"]

    def _load_start(self, position: int) -> list[int]:
        """Per dataflow, cycles after the prologue's begin at which an input begins to be read."""
        starts = []
        for flow in self._flows:
            plan = flow.fabric.inputs[position]
            at = self._pipeline.position(f"read.{plan.tensor.name}")
            starts.append(flow.fabric.prologue + plan.pattern.start + at)
        return starts

    def _last_start(self) -> int:
        """Cycles after the prologue's begin until the last loop nest has been started."""
        return max(
            *(flow.fabric.prologue for flow in self._flows),
            *(start for k in range(len(self._fabric.inputs)) for start in self._load_start(k)),
        )

    def _start(
        self, m: Module, watch: Stopwatch, cycles: Sequence[int], nest: wiring.Component
    ) -> None:
        """Start a nest some cycles, by dataflow, after the prologue begins."""
        elapsed, _ = watch
        times = [elapsed == cycle for cycle in cycles]
        now = times[0] if len(set(cycles)) == 1 else by_dataflow(m, self, times, "now")
        start_at(m, watch, now, nest)

    def _input(
        self,
        m: Module,
        position: int,
        array: wiring.Component,
        port: wiring.Component,
        watch: Stopwatch,
        release: Value,
    ) -> Loader:
        library, fabric = self._library, self._fabric
        tensor = fabric.inputs[position].tensor
        name = tensor.name.lower()
        form = self._flows[0].run_time.forms[tensor.name]
        layout = form.largest
        loader = library.instance(
            Loader(layout, fabric.bus_bits, library, f"walker_{name}"), f"loader_{name}"
        )
        uses = [
            Slots(flow.fabric.inputs[position].banked.slots, _form(flow, tensor.name).rotating)
            for flow in self._flows
        ]
        buffer = library.instance(
            InputBuffer(layout, uses[0].offsets, uses[0].rotating, library, tuple(uses[1:])),
            f"buffer_{name}",
        )
        address = library.instance(
            LoadAddresses(self._flows, self._quantities, position), f"address_{name}"
        )
        m.submodules[f"loader_{name}"] = loader
        m.submodules[f"buffer_{name}"] = buffer
        m.submodules[f"address_{name}"] = address
        connect_input(m, self, loader.stream, name)
        m.d.comb += [
            loader.begin.eq(port.set),
            loader.cancel.eq(port.cancel),
            loader.release.eq(release),
        ]
        for shape in shape_ports(layout):
            m.d.comb += getattr(loader, shape).eq(getattr(port, f"{name}_{shape}"))
        wiring.connect(m, loader.write, buffer.write)
        self._start(m, watch, self._load_start(position), address)
        self._connect_numbers(m, address)
        m.d.comb += buffer.page.eq(loader.page)
        self._connect_access(m, buffer, address, name, form)
        slots = max(len(use.offsets) for use in uses)
        for slot in range(slots):
            m.d.comb += getattr(array, f"{name}_read{slot}").eq(getattr(buffer, f"data_{slot}"))
        return loader

    def _connect_access(
        self,
        m: Module,
        buffer: wiring.Component,
        address: wiring.Component | Mapping[str, Value],
        name: str,
        form: BankForm,
    ) -> None:
        """Give a buffer the index that the slots are relative to, and how it is laid out."""
        for member in buffer.signature.members:
            if member == "address" or member.startswith("residue_"):
                given = address[member] if isinstance(address, dict) else getattr(address, member)
                m.d.comb += getattr(buffer, member).eq(given)
        for j in range(len(form.moduli) - 1):
            m.d.comb += getattr(buffer, f"stride_{j}").eq(self._active[f"{name}_stride_{j}"])
        if len(self._flows) > 1:
            m.d.comb += buffer.dataflow.eq(self.dataflow)

    def _output(
        self, m: Module, array: wiring.Component, control: wiring.Component, done: Signal
    ) -> tuple[Value, Value, list[wiring.Component]]:
        """Returns whether the output memory has a free page, whether it is cleared, and what is
        added behind it.
        """
        library, pipeline, fabric = self._library, self._pipeline, self._fabric
        tensor = fabric.output.tensor
        name, accumulate = tensor.name.lower(), fabric.output.accumulate
        form = self._flows[0].run_time.forms[tensor.name]
        layout = form.largest
        nodes = pipeline.netlist.nodes
        flags = [node for node in nodes if node.kind == "flag" and node.group == "write.control"]
        position = pipeline.position("write.control")
        delays = [_after_tile(flow) + position for flow in self._flows]
        address = library.instance(
            WriteControl(self._flows, self._quantities, flags, delays), f"address_{name}"
        )
        uses = [
            Slots(flow.fabric.output.banked.slots, _form(flow, tensor.name).rotating)
            for flow in self._flows
        ]
        buffer = library.instance(
            OutputBuffer(
                layout,
                uses[0].offsets,
                uses[0].rotating,
                library,
                accumulate=accumulate,
                others=tuple(uses[1:]),
            ),
            f"buffer_{name}",
        )
        exact_bus = layout.per_beat * layout.element_bits
        width = fabric.bus_bits if fabric.kernel.blocks is None else exact_bus
        collector = library.instance(
            Collector(
                layout,
                width,
                library,
                f"walker_{name}",
                accumulate=accumulate,
                marks=self._accumulate_in or self._stage is not None,
            ),
            f"collector_{name}",
        )
        m.submodules[f"address_{name}"] = address
        m.submodules[f"buffer_{name}"] = buffer
        m.submodules[f"collector_{name}"] = collector
        adders = self._leave(m, collector, name, layout, done)
        m.d.comb += [
            address.start.eq(control.start),
            address.tile.eq(control.tile),
        ]
        wiring.connect(m, collector.read, buffer.read)
        self._connect_numbers(m, address)
        self._page_shapes(m, collector, name, form, done)
        wait = pipeline.latency - position
        late: dict[str, Value] = {}
        for member in address.signature.members:
            if member == "address" or member.startswith("residue_"):
                value = getattr(address, member)
                line = delay_line(m, value, Shape(len(value)), {wait}, member)
                late[member] = line[wait]
        self._connect_access(m, buffer, late, name, form)
        for number, node in enumerate(nodes):
            if node.kind != "write":
                continue
            slot = node.parameters[0]
            flag = nodes[node.inputs[1].source].name
            count = pipeline.registers[number][1]
            enable = delay_line(m, getattr(address, flag), Shape(1), {count}, flag, reset=True)
            m.d.comb += [
                getattr(buffer, f"data_{slot}").eq(getattr(array, node.name)),
                getattr(buffer, f"enable_{slot}").eq(enable[count]),
            ]
        latency = fabric.output.banked.write_latency(accumulate)
        finished = delay_line(m, address.final, Shape(1), {wait + latency - 1}, "final", reset=True)
        m.d.comb += [done.eq(finished[wait + latency - 1]), buffer.commit.eq(done)]
        return buffer.free, buffer.ready, adders

    def _leave(
        self, m: Module, collector: Collector, name: str, layout: Layout, done: Value
    ) -> list[wiring.Component]:
        """Connect the output, behind its rounding, or behind the adder of what comes in, or the
        output stage, if there is one; returns that.
        """
        if self._stage is not None:
            return [self._through_stage(m, collector, name, layout, done)]
        if not self._accumulate_in:
            exact, lanes, bus = collector.stream, layout.per_beat, self._fabric.bus_bits
            format = self._format_leaving(m, exact, done) if self._chosen else None
            rounding = self._rounding
            leaving = rounded(m, self._library, rounding, lanes, bus, exact, name, format)
            connect_output(m, self, leaving, name)
            return []
        adder = self._library.instance(
            StreamAdder(layout.element_bits, layout.per_beat, self._fabric.bus_bits),
            f"adder_{name}",
        )
        m.submodules[f"adder_{name}"] = adder
        wiring.connect(m, collector.stream, adder.sums)
        m.d.comb += adder.marked.eq(collector.marked)
        connect_input(m, self, adder.addends, name)
        connect_output(m, self, adder.stream, name)
        return [adder]

    def _table(self, m: Module, port: wiring.Component, go: Value) -> Parameters | None:
        """The parameters of the output stage, if there is one."""
        if self._stage is None:
            return None
        name = self._fabric.output.tensor.name.lower()
        table = self._library.instance(
            Parameters(self._stage, self._fabric.bus_bits, self._library), f"parameters_{name}"
        )
        m.submodules[f"parameters_{name}"] = table
        connect_input(m, self, table.stream, f"{name}_parameters")
        m.d.comb += [
            table.begin.eq(port.set),
            table.cancel.eq(port.cancel),
            table.channels.eq(getattr(port, f"{STAGE}channels")),
            table.go.eq(go),
        ]
        return table

    def _through_stage(
        self, m: Module, collector: Collector, name: str, layout: Layout, done: Value
    ) -> wiring.Component:
        """Connect the output behind the output stage, whose fields are kept as long as the table of
        the problem is: two of them are in use at most.
        """
        assert self._stage is not None
        table = self._parameters
        assert table is not None
        stage = self._library.instance(
            OutputStage(self._stage, layout.per_beat, self._fabric.bus_bits, self._library),
            f"stage_{name}",
        )
        m.submodules[f"stage_{name}"] = stage
        if self._fabric.kernel.blocks is None:
            wiring.connect(m, collector.stream, stage.sums)
        else:
            low = [
                collector.stream.tdata.word_select(lane, layout.element_bits)[:SUM_BITS]
                for lane in range(layout.per_beat)
            ]
            m.d.comb += [
                stage.sums.tdata.eq(Cat(low)),
                stage.sums.tvalid.eq(collector.stream.tvalid),
                stage.sums.tlast.eq(collector.stream.tlast),
                collector.stream.tready.eq(stage.sums.tready),
            ]
        m.d.comb += [
            collector.mark.eq(1),
            stage.marked.eq(collector.marked),
            table.read.eq(stage.read),
            table.channel.eq(stage.channel),
            table.release.eq(stage.done),
            *(
                getattr(stage, f).eq(getattr(table, f))
                for f in ("bias", "multiplier", "shift", "residual_multiplier")
            ),
        ]
        connect_input(m, self, stage.addends, f"{name}_residual")
        connect_output(m, self, stage.stream, name)
        fields = {field.name: self._active[STAGE + field.name] for field in self._stage.fields}
        self._kept(m, fields, stage, table.page, done, STAGE)
        return stage

    @property
    def _chosen(self) -> bool:
        """Whether problems choose one of several four-bit formats."""
        return isinstance(self._fabric.kernel.product, MultiProduct)

    def _format_leaving(self, m: Module, exact: wiring.PureInterface, done: Value) -> Value:
        """The format of the sums that leave: results wait in both pages, and one beat beyond."""
        active = self._active[format_register("")]
        finished, left = Signal(2, name="formats_in"), Signal(2, name="formats_out")
        formats = [Signal(len(active), name=f"format_{k}", reset_less=True) for k in range(4)]
        for number, form in enumerate(formats):
            with m.If(done & (finished == number)):
                m.d.sync += form.eq(active)
        m.d.sync += [
            finished.eq(finished + done),
            left.eq(left + (exact.tvalid & exact.tready & exact.tlast)),
        ]
        return Mux(
            left[1], Mux(left[0], formats[3], formats[2]), Mux(left[0], formats[1], formats[0])
        )

    def _page_shapes(
        self, m: Module, collector: wiring.Component, name: str, form: BankForm, done: Value
    ) -> None:
        """Keep, per page, the shape of what is in it while it is streamed out, and whether what
        comes in is added to it.
        """
        kept = {shape: self._active[f"{name}_{shape}"] for shape in shape_ports(form.largest)}
        if self._accumulate_in:
            kept["mark"] = self._active[ACCUMULATE]
        self._kept(m, kept, collector, collector.read.page, done)

    @staticmethod
    def _kept(
        m: Module,
        kept: Mapping[str, Value],
        unit: wiring.Component,
        present: Value,
        done: Value,
        prefix: str = "",
    ) -> None:
        """Keep numbers of a problem, by the ports of the unit that they are for, when it is
        ``done``, in two pages in turn; ``present`` is the one that the unit is at.
        """
        filling = Signal(name=f"{prefix}filling")
        m.d.sync += filling.eq(filling ^ done)
        for port, active in kept.items():
            pages = [
                Signal(len(active), name=f"{prefix}{port}_{p}", reset_less=True) for p in range(2)
            ]
            for number, page in enumerate(pages):
                with m.If(done & (filling == number)):
                    m.d.sync += page.eq(active)
            m.d.comb += getattr(unit, port).eq(Mux(present, pages[1], pages[0]))


def _form(flow: Flow, tensor: str) -> BankForm:
    return flow.run_time.forms[tensor]


def _after_tile(flow: Flow) -> int:
    """Cycles from the last iteration of a tile to its first element at the end of the array."""
    output = flow.fabric.output
    if output.chain is None:
        return max(group.offset for group in output.reduction.groups)
    return max(arrivals[-1] for arrivals in output.chain.arrivals)
