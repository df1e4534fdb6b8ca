"""From an AXI4-Stream into tiles that are read one dimension of all vectors at a time."""

from __future__ import annotations

from collections.abc import Mapping

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from accelgen.rtl.delay import delay_line
from accelgen.rtl.library import UnitLibrary
from accelgen.rtl.streams.bank import Bank
from accelgen.rtl.streams.ports import axi_stream

__all__ = ["TileBuffer"]


class TileBuffer(wiring.Component):
    """Holds two packets of ``tiles * rows`` vectors of ``dim`` elements each.

    A packet comes vector by vector, ``per_beat`` elements in a beat.  Reading gives element
    ``read_index`` of all ``rows`` vectors of tile ``read_tile``.  So that both take one cycle,
    element ``c`` of vector ``j`` lies in bank ``j ^ (c % per_beat)``: neither the elements of a
    beat nor equal elements of different vectors meet in a bank; the way in and out is a butterfly.

    Ports: ``stream`` (slave), ``enable`` (in; while low nothing is accepted), ``elements`` (out,
    per element of a beat: as it came), of ``vector`` and ``chunk`` of it (out), ``filled`` (out,
    pulse: with the last beat of a packet), ``converted`` (in: the same elements
    ``convert_latency`` cycles later as they are stored), ``read_enable``, ``read_tile``,
    ``read_index`` (in), ``data`` (out, per vector), ``count`` (out: packets that can be read, the
    oldest first), ``release`` (in, pulse: its last read is issued in this cycle or before; only
    while ``count``), ``error`` (out, sticky: a packet had the wrong length).

    A packet with ``tlast`` before its last beat is dropped; one without ``tlast`` on its last beat
    is dropped with everything up to the next ``tlast``.  ``tready`` depends on registers only.

    Latency: ``read_latency`` cycles from ``read_enable`` to ``data`` (which stays until the next
    read); from the last beat accepted to ``count``, :meth:`fill_latency`.  Throughput: a beat and
    a read per cycle.
    """

    def __init__(
        self,
        rows: int,
        tiles: int,
        dim: int,
        per_beat: int,
        bus_bits: int,
        element_bits: int,
        stored_bits: int,
        library: UnitLibrary,
        *,
        convert_latency: int = 0,
        read_latency: int = 1,
    ) -> None:
        assert per_beat & (per_beat - 1) == 0
        assert rows % per_beat == 0
        assert dim % per_beat == 0
        assert read_latency in (1, 2)
        self.rows, self.tiles, self.dim, self.per_beat = rows, tiles, dim, per_beat
        self.element_bits, self.stored_bits = element_bits, stored_bits
        self.library = library
        self.convert_latency, self.read_latency = convert_latency, read_latency
        super().__init__(
            {
                "stream": In(axi_stream(bus_bits)),
                "enable": In(1, init=1),
                "elements": Out(element_bits).array(per_beat),
                "vector": Out(range(tiles * rows)),
                "chunk": Out(range(max(2, dim // per_beat))),
                "filled": Out(1),
                "converted": In(signed(stored_bits)).array(per_beat),
                "read_enable": In(1),
                "read_tile": In(range(max(2, tiles))),
                "read_index": In(range(dim)),
                "data": Out(signed(stored_bits)).array(rows),
                "count": Out(2),
                "release": In(1),
                "error": Out(1),
            }
        )

    @property
    def beats(self) -> int:
        """Beats of a packet."""
        return self.tiles * self.rows * self.dim // self.per_beat

    def fill_latency(self) -> int:
        """Cycles from the last beat accepted to the first in which the packet is counted."""
        return self.convert_latency + 1

    def elaborate(self, platform: object) -> Module:
        """Build the hardware."""
        m = Module()
        accepted, good = Signal(), Signal()
        vector = Signal(range(self.tiles * self.rows))
        chunk = Signal(range(max(2, self.dim // self.per_beat)))
        slot = Signal()
        self._accept(m, accepted, good, vector, chunk)
        with m.If(good):
            m.d.sync += slot.eq(~slot)
        place = Cat(accepted, slot, vector, chunk)
        taps = (self.convert_latency,)
        late = delay_line(m, place, place.shape(), taps, "place")[self.convert_latency]
        valid = delay_line(m, accepted, accepted.shape(), taps, "valid", reset=True)
        stored = delay_line(m, good, good.shape(), taps, "good", reset=True)
        m.d.comb += [
            self.vector.eq(vector),
            self.chunk.eq(chunk),
            self.filled.eq(good),
            *(
                element.eq(self.stream.tdata.word_select(k, self.element_bits))
                for k, element in enumerate(self.elements)
            ),
        ]
        m.d.sync += self.count.eq(self.count + stored[self.convert_latency] - self.release)
        widths = (1, 1, len(vector), len(chunk))
        parts = [late[sum(widths[:n]) : sum(widths[: n + 1])] for n in range(4)]
        self._banks(m, valid[self.convert_latency], parts[1], parts[2], parts[3])
        return m

    def _accept(
        self, m: Module, accepted: Signal, good: Signal, vector: Signal, chunk: Signal
    ) -> None:
        """Count beats and packets."""
        held = Signal(2)
        discarding = Signal()
        last_chunk, last = Signal(), Signal()
        taken, early, late = Signal(), Signal(), Signal()
        m.d.comb += [
            self.stream.tready.eq(self.enable & ((held < 2) | discarding)),
            taken.eq(self.stream.tready & self.stream.tvalid),
            accepted.eq(taken & ~discarding),
            last_chunk.eq(chunk == self.dim // self.per_beat - 1),
            last.eq(last_chunk & (vector == self.tiles * self.rows - 1)),
            good.eq(accepted & last & self.stream.tlast),
            early.eq(accepted & ~last & self.stream.tlast),
            late.eq(accepted & last & ~self.stream.tlast),
        ]
        m.d.sync += held.eq(held + good - self.release)
        with m.If(taken):
            m.d.sync += discarding.eq((discarding | late) & ~self.stream.tlast)
        with m.If(early | late):
            m.d.sync += self.error.eq(1)
        with m.If(early | (accepted & last)):
            m.d.sync += [vector.eq(0), chunk.eq(0)]
        with m.Elif(accepted):
            m.d.sync += [
                chunk.eq(Mux(last_chunk, 0, chunk + 1)),
                vector.eq(vector + last_chunk),
            ]

    def _banks(self, m: Module, valid: Value, slot: Value, vector: Value, chunk: Value) -> None:
        """The memories, the butterflies, and their addresses in chunks of ``per_beat``."""
        per_beat, rows = self.per_beat, self.rows
        low = (per_beat - 1).bit_length()
        row_bits = (rows - 1).bit_length()
        chunks = self.dim // per_beat
        high = Signal(range(2 * self.tiles * chunks))
        m.d.comb += high.eq(self._base(slot, vector[row_bits:], chunks) + chunk)
        written = self._butterfly(m, dict(enumerate(self.converted)), vector[:low], "in")
        index = self.read_index
        read_slot = Signal()
        with m.If(self.release):
            m.d.sync += read_slot.eq(~read_slot)
        address = Cat(
            index[:low],
            (self._base(read_slot, self.read_tile, chunks) + index[low:])[: len(high)],
        )
        enable: Value = self.read_enable
        if self.read_latency == 2:
            at, on = Signal(len(address), reset_less=True), Signal()
            m.d.sync += [at.eq(address), on.eq(enable)]
            address, enable = at, on
        banks = {}
        for b in range(rows):
            bank = Bank.instance(self.library, self.stored_bits, 2 * self.tiles * self.dim)
            m.submodules[f"bank_{b}"] = bank
            column = Const(b % per_beat, low) ^ vector[:low] if low else Const(0, 0)
            mine = vector[low:row_bits] == b // per_beat if low < row_bits else Const(1)
            m.d.comb += [
                bank.write_enable.eq(valid & mine),
                bank.write_address.eq(Cat(column, high)),
                bank.write_data.eq(written[b % per_beat]),
                bank.read_enable.eq(enable),
                bank.read_address.eq(address),
            ]
            banks[b] = bank.read_data
        turned = Signal(max(1, low), reset_less=True)
        with m.If(enable):
            m.d.sync += turned.eq(address[:low])
        read = self._butterfly(m, banks, turned[:low], "out")
        m.d.comb += [data.eq(read[j]) for j, data in enumerate(self.data)]

    def _base(self, slot: Value, tile: Value, chunks: int) -> Value:
        """The first chunk of a tile in a slot."""
        bases = [n * chunks for n in range(2 * self.tiles)]
        if self.tiles == 1:
            return Mux(slot, bases[1], bases[0])
        per_slot = Array(bases[: self.tiles])[tile]
        return Mux(slot, self.tiles * chunks, 0) + per_slot

    def _butterfly(
        self, m: Module, values: Mapping[int, Value], by: Value, name: str
    ) -> dict[int, Value]:
        """``out[i] = values[i ^ by]``: a level of multiplexers per bit."""
        result = dict(values)
        for bit in range(len(by)):
            level = {}
            for i, value in result.items():
                mux = Signal(self.stored_bits, name=f"{name}_{bit}_{i}")
                m.d.comb += mux.eq(Mux(by[bit], result[i ^ (1 << bit)], value))
                level[i] = mux
            result = level
        return result
