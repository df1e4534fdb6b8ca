"""The scales of the blocks of a tile, which come before its elements."""

from __future__ import annotations

from amaranth.hdl import Array, Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from accelgen.rtl.library import UnitLibrary
from accelgen.rtl.streams.bank import Bank
from accelgen.rtl.streams.ports import axi_stream

__all__ = ["ScaleBuffer"]


class ScaleBuffer(wiring.Component):
    """Holds two packets of ``scales`` scales, ``per_beat`` in a beat, read ``width`` at a time.

    Ports: ``stream`` (slave), ``count`` (out: packets there), ``index`` (in: which ``width``
    scales), ``data`` (out, a cycle later), ``release`` (in, pulse: the last read of the oldest
    packet is issued), ``error`` (out, sticky).  Packets of the wrong length are dropped as in
    TileBuffer.  From the last beat accepted to ``count``: 1 cycle.
    """

    FILL_LATENCY = 1

    def __init__(
        self,
        scales: int,
        width: int,
        scale_bits: int,
        bus_bits: int,
        library: UnitLibrary,
    ) -> None:
        self.scales, self.width, self.scale_bits = scales, width, scale_bits
        self.per_beat = bus_bits // scale_bits
        self.library = library
        assert self.per_beat % width == 0
        super().__init__(
            {
                "stream": In(axi_stream(bus_bits)),
                "count": Out(2),
                "index": In(range(max(2, scales // width))),
                "data": Out(scale_bits).array(width),
                "release": In(1),
                "error": Out(1),
            }
        )

    @property
    def beats(self) -> int:
        """Beats of a packet."""
        return -(-self.scales // self.per_beat)

    def elaborate(self, platform: object) -> Module:
        """Build the hardware."""
        m = Module()
        beats = self.beats
        at = Signal(range(max(2, beats)))
        filling, reading, discarding = Signal(), Signal(), Signal()
        taken, accepted, last, good = Signal(), Signal(), Signal(), Signal()
        stream = self.stream
        m.d.comb += [
            stream.tready.eq((self.count != 2) | discarding),
            taken.eq(stream.tready & stream.tvalid),
            accepted.eq(taken & ~discarding),
            last.eq(at == beats - 1),
            good.eq(accepted & last & stream.tlast),
        ]
        with m.If(taken):
            m.d.sync += discarding.eq((discarding | last) & ~stream.tlast)
        with m.If(accepted):
            m.d.sync += at.eq(Mux(last | stream.tlast, 0, at + 1))
            with m.If(last != stream.tlast):
                m.d.sync += self.error.eq(1)
        m.d.sync += [
            self.count.eq(self.count + good - self.release),
            filling.eq(filling ^ good),
            reading.eq(reading ^ self.release),
        ]
        word_bits = self.per_beat * self.scale_bits
        words = max(2, 2 << (beats - 1).bit_length())
        bank = Bank.instance(self.library, word_bits, words)
        m.submodules.bank = bank
        groups = self.per_beat // self.width
        low = (groups - 1).bit_length()
        places = [Signal(len(bank.write_address) - 1, name=name) for name in ("put", "got")]
        m.d.comb += [
            places[0].eq(at),
            places[1].eq(self.index >> low),
            bank.write_enable.eq(accepted),
            bank.write_address.eq(Cat(places[0], filling)),
            bank.write_data.eq(stream.tdata),
            bank.read_enable.eq(1),
            bank.read_address.eq(Cat(places[1], reading)),
        ]
        part = Signal(low, reset_less=True)
        m.d.sync += part.eq(self.index[:low])
        size = self.width * self.scale_bits
        words_of = [bank.read_data[k * size : (k + 1) * size] for k in range(groups)]
        word = Array(words_of)[part] if groups > 1 else words_of[0]
        m.d.comb += [
            data.eq(word[k * self.scale_bits : (k + 1) * self.scale_bits])
            for k, data in enumerate(self.data)
        ]
        return m
