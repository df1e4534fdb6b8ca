"""The AXI4-Lite port: registers that describe the next problem, and the present state."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import C, Cat, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from accelgen.processor.registers import FIRST_REGISTER, Register

__all__ = ["AXIL_PORTS", "CANCEL", "CANCELLED", "CONTROL", "FINISHED", "IDENTITY", "REFUSED",
           "REPORTS", "START", "STATUS", "RegisterPort", "register_map"]  # fmt: skip

IDENTITY, CONTROL, STATUS, REFUSED, FINISHED = 0x00, 0x04, 0x08, 0x0C, 0x10
"""Offsets of the registers that every design has; see :class:`RegisterPort`."""

REPORTS = 0x14
"""The offset of the first register that only some designs report."""

MAGIC = 0x41474E31

START, CANCEL = 1, 2
"""What is written to ``CONTROL``."""

CANCELLED = 8
"""The bit of ``STATUS`` that a cancel is answered by."""

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


def register_map(registers: Sequence[Register]) -> dict[str, object]:
    """The registers behind a RegisterPort as JSON values, for a manifest."""
    return {
        "identity": {"offset": IDENTITY, "reads": MAGIC},
        "control": {"offset": CONTROL, "start": START, "cancel": CANCEL},
        "status": {
            "offset": STATUS,
            "ready": 1,
            "computing": 2,
            "refused": 4,
            "cancelled": CANCELLED,
        },
        "refused": {"offset": REFUSED},
        "finished": {"offset": FINISHED},
        "problem": [
            {"name": r.name, "offset": r.offset, "bits": r.bits, "least": r.least, "most": r.most}
            for r in registers
        ],
    }


class RegisterPort(wiring.Component):
    """The slave, and the registers behind it.

    Ports: ``axil`` (see AXIL_PORTS), an output per register of the problem, named after it, ``set``
    (pulse: a legal problem was started), ``pending`` (from then until ``taken``, a pulse, or
    ``cancel``, a pulse in the first cycle without), ``computing`` and ``finished`` (pulse: a
    problem is done), which are only reported.

    ``IDENTITY`` reads ``MAGIC``.  ``CONTROL``: writing ``START`` starts the problem that the
    registers describe, writing ``CANCEL`` ends one that is pending.  ``STATUS``: bit 0, the
    registers can be written; bit 1, a problem is computed; bit 2, the last start was refused; bit
    3, the last cancel found a problem pending.  ``FINISHED`` counts problems, modulo 2**32.
    Registers keep what they hold from one problem to the next.  ``reports`` are further inputs
    (name and width) that are read at ``REPORTS`` and the offsets after it.

    A start is refused when a value outside what its register takes was written since the one
    before; such a value is not taken, and ``REFUSED`` is the offset it was written to.  It is also
    refused until, since reset, every register was written, and each one after those of lower
    offsets: ``REFUSED`` is then the first that is missing.

    Writes are answered with SLVERR and without effect while a problem is pending (but for
    ``CANCEL``), where there is no register, or with a strobe that is not whole.  One write and one
    read at a time, each answered in the cycle after it.
    """

    def __init__(
        self, registers: Sequence[Register], reports: Sequence[tuple[str, int]] = ()
    ) -> None:
        self._registers = tuple(registers)
        self._reports = tuple(reports)
        super().__init__(
            {
                **{f"axil_{name}": member for name, member in AXIL_PORTS.items()},
                **{register.name: Out(register.bits) for register in registers},
                "set": Out(1),
                "pending": Out(1),
                "cancel": Out(1),
                "taken": In(1),
                "computing": In(1),
                "finished": In(1),
                **{name: In(bits) for name, bits in reports},
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
        cancelled = Signal()
        refused_at = Signal(12)
        # The first register not written since reset, by its word: a count, not a bit of each.
        first = FIRST_REGISTER // 4
        end = first + len(self._registers)
        missing = Signal(range(end + 1), init=first)
        whole = Signal()
        m.d.comb += whole.eq(missing == end)
        finished = Signal(32)
        known = Signal()
        fits = Signal()
        m.d.comb += fits.eq(1)
        data = self.axil_wdata
        effective = Signal()
        # No problem starts before all of them are written: they need no reset.
        held = {
            register.name: Signal(register.bits, name=f"held_{register.name}", reset_less=True)
            for register in self._registers
        }
        m.d.comb += [getattr(self, name).eq(register) for name, register in held.items()]
        cancels = Signal()
        m.d.comb += effective.eq(write & known & (~self.pending | cancels) & self.axil_wstrb.all())
        m.d.sync += [self.set.eq(0), self.cancel.eq(0)]
        with m.If(self.taken):
            m.d.sync += self.pending.eq(0)
        with m.Switch(self.axil_awaddr):
            with m.Case(CONTROL):
                m.d.comb += [known.eq(1), cancels.eq(data[1])]
                with m.If(effective & data[0] & ~self.pending):
                    legal = ~bad & whole
                    m.d.sync += [
                        bad.eq(0),
                        refused.eq(~legal),
                        self.set.eq(legal),
                        self.pending.eq(legal),
                    ]
                    with m.If(~bad & ~whole):
                        m.d.sync += refused_at.eq(missing << 2)
                with m.If(effective & cancels):
                    # A problem that is taken in this cycle is computed.
                    waits = self.pending & ~self.taken
                    m.d.sync += [cancelled.eq(waits), self.cancel.eq(waits)]
                    with m.If(self.pending):
                        m.d.sync += self.pending.eq(0)
            for register in self._registers:
                with m.Case(register.offset):
                    m.d.comb += [known.eq(1), fits.eq(_within(data, register))]
                    with m.If(effective & fits):
                        m.d.sync += held[register.name].eq(data)
        with m.If(effective & ~fits):
            m.d.sync += [bad.eq(1), refused_at.eq(self.axil_awaddr)]
        with m.If(effective & fits & (self.axil_awaddr[2:] == missing)):
            m.d.sync += missing.eq(missing + 1)
        with m.If(write):
            m.d.sync += [
                self.axil_bvalid.eq(1),
                self.axil_bresp[1].eq(~effective),
            ]
        with m.Elif(self.axil_bready):
            m.d.sync += self.axil_bvalid.eq(0)
        with m.If(self.finished):
            m.d.sync += finished.eq(finished + 1)
        status = Cat(~self.pending, self.computing, refused, cancelled)
        self._read(m, status, refused_at, finished)
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
                for number, (name, _) in enumerate(self._reports):
                    with m.Case(REPORTS + 4 * number):
                        m.d.sync += self.axil_rdata.eq(getattr(self, name))
                for register in self._registers:
                    with m.Case(register.offset):
                        m.d.sync += self.axil_rdata.eq(getattr(self, register.name))
                with m.Default():
                    m.d.sync += self.axil_rresp.eq(_SLVERR)
        with m.Elif(self.axil_rready):
            m.d.sync += self.axil_rvalid.eq(0)


def _within(data: Value, register: Register) -> Value:
    """Whether a register takes a value."""
    fits = data <= register.most
    return fits & (data >= register.least) if register.least else fits
