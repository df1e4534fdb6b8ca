"""The table of parameters: per channel the bias, the multipliers and the shift."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from accelgen.rtl.library import UnitLibrary
from accelgen.rtl.output_stage.form import MULTIPLIER_BITS, SUM_BITS, WORDS, StageForm
from accelgen.rtl.streams.bank import Bank
from accelgen.rtl.streams.geometry import bank_depth
from accelgen.rtl.streams.loader import Loader
from accelgen.rtl.streams.ports import axi_stream

__all__ = ["Parameters"]


class Parameters(wiring.Component):
    """Two tables that packets of a stream fill in turn (see :data:`WORDS` for what a packet is).

    Ports: ``stream`` (AXI4-Stream slave), ``enable``, ``begin``, ``cancel`` and ``error`` as those
    of :class:`Loader`, and so is what becomes of packets of the wrong length; ``channels`` (in,
    less one, of the packet that ``begin`` says is to come); ``ready`` (out: the table of the next
    problem is complete), ``go`` (in, a pulse while ``ready``: that problem begins), ``release``
    (in, a pulse: the oldest problem that began is done with its table); ``page`` (out: which of two
    tables it has); ``read`` and ``channel`` (in), and in the cycle after ``read``, until the next,
    the parameters of the channel: ``bias``, ``multiplier``, ``shift``, ``residual_multiplier``.

    So problems that have begun and are not done are two at most.  A packet of C channels takes
    ``Loader.cycles(form.parameters(C, bus_bits))`` cycles.
    """

    def __init__(self, form: StageForm, bus_bits: int, library: UnitLibrary) -> None:
        self.form, self.library, self.bus_bits = form, library, bus_bits
        channels = range(max(2, form.channels))
        super().__init__(
            {
                "stream": In(axi_stream(bus_bits)),
                "enable": In(1),
                "begin": In(1),
                "cancel": In(1),
                "channels": In(channels),
                "ready": Out(1),
                "go": In(1),
                "release": In(1),
                "page": Out(1),
                "read": In(1),
                "channel": In(channels),
                "bias": Out(SUM_BITS),
                "multiplier": Out(MULTIPLIER_BITS),
                "shift": Out(form.shift_bits),
                "residual_multiplier": Out(MULTIPLIER_BITS),
                "error": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the hardware."""
        m = Module()
        library = self.library
        layout = self.form.parameters(max(2, self.form.channels), self.bus_bits)
        m.submodules.loader = loader = library.instance(
            Loader(layout, self.bus_bits, library, "walker_parameters", counted=True),
            "loader_parameters",
        )
        wiring.connect(m, wiring.flipped(self.stream), loader.stream)
        begun = Signal(2)
        m.d.sync += begun.eq(begun + self.go - self.release)
        m.d.comb += [
            *(getattr(loader, name).eq(getattr(self, name))
              for name in ("enable", "begin", "cancel", "release")),
            loader.row.eq(WORDS),
            loader.last_0.eq(self.channels),
            loader.stride_0.eq(1),
            self.ready.eq(loader.available != begun),
            self.page.eq(loader.page),
            self.error.eq(loader.error),
        ]  # fmt: skip
        fields = (
            [self.bias],
            [self.multiplier, self.shift],
            [self.residual_multiplier],
        )
        write = loader.write
        for number, parts in enumerate(fields):
            width = sum(map(len, parts))
            bank = Bank.instance(library, width, 2 * bank_depth(layout))
            m.submodules[f"bank_{number}"] = bank
            m.d.comb += [
                bank.write_enable.eq(write.enable[number]),
                bank.write_address.eq(Cat(write.page, write.address[number])),
                bank.write_data.eq(write.data[number % len(write.data)]),
                bank.read_enable.eq(self.read),
                bank.read_address.eq(Cat(self.page, self.channel)),
                Cat(*parts).eq(bank.read_data),
            ]
        return m
