"""The AXI4-Lite port: registers that describe the next problem, and the present state."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import C, Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from accelgen.processor.registers import Register

__all__ = ["AXIL_PORTS", "CONTROL", "FINISHED", "IDENTITY", "REFUSED", "STATUS", "RegisterPort"]

IDENTITY, CONTROL, STATUS, REFUSED, FINISHED = 0x00, 0x04, 0x08, 0x0C, 0x10
"""Offsets of the registers that every design has; see :class:`RegisterPort`."""

MAGIC = 0x41474E31

_OKAY, _SLVERR = 0, 2

AXIL_PORTS = {
    "awaddr": In(12),
    "awvalid": In(1),
    "awready": Out(1),
    "wdata": In(32),
    "wstrb": In(4),
    "wvalid": In(1),
    "wready": Out(1),
    "bresp": Out(2),
    "bvalid": Out(1),
    "bready": In(1),
    "araddr": In(12),
    "arvalid": In(1),
    "arready": Out(1),
    "rdata": Out(32),
    "rresp": Out(2),
    "rvalid": Out(1),
    "rready": In(1),
}
"""The signals of an AXI4-Lite slave of 32 bits, without the protection bits, which are ignored."""


class RegisterPort(wiring.Component):
    """The slave, and the registers behind it.

    Ports: ``axil`` (see AXIL_PORTS), an output per register of the problem, named after it, ``set``
    (pulse: a legal problem was started), ``pending`` (from then until ``taken``, a pulse),
    ``computing`` and ``finished`` (pulse: a problem is done), which are only reported.

    ``IDENTITY`` reads ``MAGIC``.  ``CONTROL``: writing 1 starts the problem that the registers
    describe.  ``STATUS``: bit 0, the registers can be written; bit 1, a problem is computed; bit 2,
    the last start was refused, because a value beyond the most its register takes was written
    since the one before.  Such a value is not taken; ``REFUSED`` is the offset it was written to
    (0: none since reset).  ``FINISHED`` counts problems, modulo 2**32.  Registers keep what they
    hold from one problem to the next.

    Writes are answered with SLVERR and without effect while a problem is pending, where there is
    no register, or with a strobe that is not whole.  One write and one read at a time, each
    answered in the cycle after it.
    """

    def __init__(self, registers: Sequence[Register]) -> None:
        self._registers = tuple(registers)
        super().__init__(
            {
                **{f"axil_{name}": member for name, member in AXIL_PORTS.items()},
                **{register.name: Out(register.bits) for register in registers},
                "set": Out(1),
                "pending": Out(1),
                "taken": In(1),
                "computing": In(1),
                "finished": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the hardware."""
        m = Module()
        write = Signal()
        m.d.comb += [
            write.eq(self.axil_awvalid & self.axil_wvalid & (~self.axil_bvalid | self.axil_bready)),
            self.axil_awready.eq(write),
            self.axil_wready.eq(write),
        ]
        bad = Signal()
        refused = Signal()
        refused_at = Signal(12)
        finished = Signal(32)
        known = Signal()
        fits = Signal()
        m.d.comb += fits.eq(1)
        data = self.axil_wdata
        effective = Signal()
        m.d.comb += effective.eq(write & known & ~self.pending & self.axil_wstrb.all())
        m.d.sync += self.set.eq(0)
        with m.If(self.taken):
            m.d.sync += self.pending.eq(0)
        with m.Switch(self.axil_awaddr):
            with m.Case(CONTROL):
                m.d.comb += known.eq(1)
                with m.If(effective & data[0]):
                    m.d.sync += [
                        bad.eq(0),
                        refused.eq(bad),
                        self.set.eq(~bad),
                        self.pending.eq(~bad),
                    ]
            for register in self._registers:
                with m.Case(register.offset):
                    m.d.comb += [known.eq(1), fits.eq(data <= register.most)]
                    with m.If(effective & fits):
                        m.d.sync += getattr(self, register.name).eq(data)
        with m.If(effective & ~fits):
            m.d.sync += [bad.eq(1), refused_at.eq(self.axil_awaddr)]
        with m.If(write):
            m.d.sync += [
                self.axil_bvalid.eq(1),
                self.axil_bresp[1].eq(~effective),
            ]
        with m.Elif(self.axil_bready):
            m.d.sync += self.axil_bvalid.eq(0)
        with m.If(self.finished):
            m.d.sync += finished.eq(finished + 1)
        self._read(m, Cat(~self.pending, self.computing, refused), refused_at, finished)
        return m

    def _read(self, m: Module, status: Cat, refused_at: Signal, finished: Signal) -> None:
        m.d.comb += self.axil_arready.eq(~self.axil_rvalid | self.axil_rready)
        with m.If(self.axil_arvalid & self.axil_arready):
            m.d.sync += [
                self.axil_rvalid.eq(1),
                self.axil_rdata.eq(0),
                self.axil_rresp.eq(_OKAY),
            ]
            with m.Switch(self.axil_araddr):
                with m.Case(IDENTITY):
                    m.d.sync += self.axil_rdata.eq(C(MAGIC, 32))
                with m.Case(CONTROL):
                    pass
                with m.Case(STATUS):
                    m.d.sync += self.axil_rdata.eq(status)
                with m.Case(REFUSED):
                    m.d.sync += self.axil_rdata.eq(refused_at)
                with m.Case(FINISHED):
                    m.d.sync += self.axil_rdata.eq(finished)
                for register in self._registers:
                    with m.Case(register.offset):
                        m.d.sync += self.axil_rdata.eq(getattr(self, register.name))
                with m.Default():
                    m.d.sync += self.axil_rresp.eq(_SLVERR)
        with m.Elif(self.axil_rready):
            m.d.sync += self.axil_rvalid.eq(0)
