"""The whole attention accelerator: engines behind one set of registers."""

from __future__ import annotations

from functools import reduce
from operator import add, and_, or_

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from accelgen.attention.accelerator.core import LIST_BITS, Core
from accelgen.attention.accelerator.registers import registers
from accelgen.rtl.attention.engine import Engine, streams_in
from accelgen.rtl.attention.lists import FAULTS
from accelgen.rtl.library import UnitLibrary
from accelgen.rtl.processor.axil import AXIL_PORTS, RegisterPort
from accelgen.rtl.streams.ports import stream_ports

__all__ = ["AttentionKernel", "suffixes"]

_SIGNALS = ("tdata", "tvalid", "tready", "tlast")


def suffixes(core: Core) -> tuple[str, ...]:
    """What the names of the streams of every array end with: nothing where there is one."""
    return tuple(f"_{k}" for k in range(core.arrays)) if core.arrays > 1 else ("",)


class AttentionKernel(wiring.Component):
    """Arrays with their buffers behind standard ports.

    Of every array: AXI4-Stream slaves ``s_axis_q``, ``s_axis_k``, ``s_axis_v`` (tiles), of block
    formats with ``s_axis_k_scale`` and so on (their scales, a packet per tile), and ``s_axis_list``
    (block lists); masters ``m_axis_o`` (results, a packet per row group) and ``m_axis_request``
    (which tile of keys and values is taken next, ahead of time).  With several arrays the names end
    with the number of theirs.

    AXI4-Lite slave ``s_axil`` (see RegisterPort; ``FINISHED`` counts row groups, ``REPORTS`` is
    ``malformed``).  ``busy``: a tile is being computed.  ``error`` (sticky): a packet
    of tiles had the wrong length and was dropped.  ``malformed`` (sticky, a bit per fault of
    FAULTS): a list was.

    A problem that is started takes effect when all row groups taken before are computed, which bit
    0 of ``STATUS`` says; nothing is taken before the first.  No list is taken from a start until
    then: those that wait are of the new problem.  Elements are decoded and scaled as they come in,
    by the registers of then: those of the next problem are to come after its start has taken
    effect.
    """

    def __init__(self, core: Core, library: UnitLibrary) -> None:
        self.core = core
        self.library = library
        self.registers = registers(core)
        ports: dict[str, In | Out] = {}
        for end in suffixes(core):
            for name, bits in streams_in(core).items():
                ports |= stream_ports(f"s_axis_{name}{end}", bits, In, Out)
            ports |= stream_ports(f"m_axis_o{end}", core.output_bits, Out, In)
            ports |= stream_ports(f"m_axis_request{end}", LIST_BITS, Out, In)
        ports |= {f"s_axil_{name}": member for name, member in AXIL_PORTS.items()}
        ports |= {"busy": Out(1), "error": Out(1), "malformed": Out(len(FAULTS))}
        super().__init__(ports)

    def elaborate(self, platform: object) -> Module:
        """Build the hardware."""
        m = Module()
        core, library = self.core, self.library
        m.submodules.port = port = library.instance(
            RegisterPort(self.registers, [("malformed", len(FAULTS))]), "registers"
        )
        for name in AXIL_PORTS:
            ours, theirs = getattr(self, f"s_axil_{name}"), getattr(port, f"axil_{name}")
            m.d.comb += theirs.eq(ours) if AXIL_PORTS[name].flow == In else ours.eq(theirs)
        engines = []
        for number, end in enumerate(suffixes(core)):
            engine = library.instance(Engine(core, library), "engine")
            m.submodules[f"engine_{number}"] = engine
            engines.append(engine)
            incoming = [f"s_axis_{name}" for name in streams_in(core)]
            for name in (*incoming, "m_axis_o", "m_axis_request"):
                for signal in _SIGNALS:
                    ours = getattr(self, f"{name}{end}_{signal}")
                    theirs = getattr(engine, f"{name}_{signal}")
                    inwards = (signal == "tready") != name.startswith("s_axis")
                    m.d.comb += theirs.eq(ours) if inwards else ours.eq(theirs)
        self._configure(m, port, engines)
        m.d.comb += [
            self.busy.eq(reduce(or_, (engine.busy for engine in engines))),
            self.error.eq(reduce(or_, (engine.error for engine in engines))),
            self.malformed.eq(reduce(or_, (engine.malformed for engine in engines))),
            port.malformed.eq(self.malformed),
        ]
        return m

    def _configure(self, m: Module, port: RegisterPort, engines: list[Engine]) -> None:
        """Take a problem when nothing of the last one is computed any more."""
        configured = Signal()
        idle = Signal()
        # Row groups may finish together, and are counted one by one.
        uncounted = Signal(range(4 * len(engines)))
        m.d.comb += [
            idle.eq(reduce(and_, (engine.idle for engine in engines))),
            port.taken.eq(port.pending & idle),
            port.computing.eq(~idle),
            port.finished.eq(uncounted != 0),
        ]
        ended = reduce(add, (engine.finished for engine in engines))
        m.d.sync += uncounted.eq(uncounted + ended - port.finished)
        for register in self.registers:
            value = Signal(register.bits, name=f"set_{register.name}", reset_less=True)
            with m.If(port.taken):
                m.d.sync += value.eq(getattr(port, register.name))
            m.d.comb += [getattr(engine, register.name).eq(value) for engine in engines]
        with m.If(port.taken):
            m.d.sync += configured.eq(1)
        for engine in engines:
            m.d.comb += [
                engine.configured.eq(configured),
                engine.enable.eq(configured & ~port.pending),
            ]
