"""The sums of probabilities times values, rescaled whenever a row's maximum rises."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import or_

from amaranth.hdl import Array, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from accelgen.attention.accelerator.core import Core
from accelgen.rtl.attention.tile_info import tile_info
from accelgen.rtl.library import UnitLibrary
from accelgen.rtl.streams.bank import Bank

__all__ = ["Rescale", "Totals", "chunks_of", "read_ports"]


def chunks_of(core: Core) -> int:
    """Chunks in which a row of totals is read: its elements and its sum, a beat of results each."""
    return -(-(core.numerics.value_dim + 1) // core.outputs_per_beat)


def read_ports(
    core: Core, forth: type[In] | type[Out], back: type[In] | type[Out]
) -> dict[str, In | Out]:
    """The ports of a read: what is asked for goes ``forth``, its elements come ``back``."""
    n = core.numerics
    return {
        "read_enable": forth(1),
        "read_half": forth(1),
        "read_tile": forth(range(max(2, core.query_tiles))),
        "read_row": forth(range(n.rows)),
        "read_chunk": forth(range(chunks_of(core))),
        "read": back(signed(n.total_bits)).array(core.outputs_per_beat),
    }


class Rescale(wiring.Component):
    """One row: ``(total >> shift) + addend``.

    Ports: ``total``, ``shift`` (in), ``addend`` (in, a cycle later), ``result`` (out, with it).
    """

    def __init__(self, core: Core) -> None:
        self.core = core
        n = core.numerics
        super().__init__(
            {
                "total": In(signed(n.total_bits)),
                "shift": In(range(n.shift_limit + 1)),
                "addend": In(signed(n.accumulator_bits)),
                "result": Out(signed(n.total_bits)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the hardware."""
        m = Module()
        n = self.core.numerics
        shifted = Signal(signed(n.total_bits), reset_less=True)
        m.d.sync += shifted.eq(self.total >> self.shift)
        m.d.comb += self.result.eq(shifted + self.addend)
        return m


class Totals(wiring.Component):
    """Two halves of totals: row groups add to one while the other is read out.

    Element ``value_dim`` of a row is its sum of probabilities.  Elements are in as many banks as a
    beat of results has elements.

    Ports (in, unless said): ``begin`` (pulse: the outputs of the tile in ``info`` begin, which
    stays until the next); ``leaving`` (two cycles before ``sums`` come) and ``leaving_first``;
    ``sums`` (per row); ``shift``, ``fresh`` (of the softmax); ``done`` (out, pulse in the cycle
    after the last write of a tile) and ``complete`` (out, with it: that was the last of a row
    group); ``read_enable``, ``read_half``, ``read_tile``, ``read_row``, ``read_chunk`` and ``read``
    (out, a cycle later: per element of the chunk); a half is read when no row group adds to it.
    """

    def __init__(self, core: Core, library: UnitLibrary) -> None:
        self.core = core
        self.library = library
        n = core.numerics
        self.banks = core.outputs_per_beat
        self.chunks = chunks_of(core)
        super().__init__(
            {
                "begin": In(1),
                "info": In(tile_info(core)),
                "leaving": In(1),
                "leaving_first": In(1),
                "sums": In(signed(n.accumulator_bits)).array(n.rows),
                "shift": In(range(n.shift_limit + 1)).array(n.rows),
                "fresh": In(1),
                "done": Out(1),
                "complete": Out(1),
                **read_ports(core, In, Out),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the hardware."""
        m = Module()
        core, n = self.core, self.core.numerics
        banks = self.banks
        bank_bits = (banks - 1).bit_length()
        info = data.View(tile_info(core), self.info)
        # What begins is remembered until its sums leave the array.
        waiting = Signal(tile_info(core), reset_less=True)
        active = Signal(tile_info(core), reset_less=True)
        with m.If(self.begin):
            m.d.sync += waiting.eq(info)
        index = Signal(range(n.value_dim + 1))
        here, at = Signal(range(n.value_dim + 1)), Signal(tile_info(core))
        m.d.comb += [
            here.eq(Mux(self.leaving_first, 0, index)),
            at.eq(Mux(self.leaving_first, waiting, active)),
        ]
        fresh = Signal(reset_less=True)
        shifts = [
            Signal(len(s), name=f"shift_{i}", reset_less=True) for i, s in enumerate(self.shift)
        ]
        with m.If(self.leaving):
            m.d.sync += index.eq(here + 1)
        with m.If(self.leaving_first):
            m.d.sync += [
                active.eq(waiting),
                fresh.eq(self.fresh),
                *(kept.eq(new) for kept, new in zip(shifts, self.shift, strict=True)),
            ]
        address = self._address(at.tile, here[bank_bits:])
        last = Signal()
        m.d.comb += last.eq(self.leaving & (here == n.value_dim))
        # Read, shift, add and write.
        places = [(address, here[:bank_bits], at.half, self.leaving, last, at.item.last, at.tile)]
        for stage in (1, 2):
            registers = tuple(
                Signal(len(value), name=f"place_{stage}_{k}", reset_less=k not in (3, 4))
                for k, value in enumerate(places[-1])
            )
            m.d.sync += [r.eq(value) for r, value in zip(registers, places[-1], strict=True)]
            places.append(registers)
        old = [Signal(signed(n.total_bits), name=f"old_{i}") for i in range(n.rows)]
        new = []
        for i in range(n.rows):
            rescale = self.library.instance(Rescale(core), "rescale")
            m.submodules[f"rescale_{i}"] = rescale
            m.d.comb += [
                rescale.total.eq(old[i]),
                rescale.shift.eq(shifts[i]),
                rescale.addend.eq(self.sums[i]),
            ]
            new.append(rescale.result)
        ending, group_ends, tile = places[2][4:]
        m.d.sync += [
            self.done.eq(ending),
            self.complete.eq(ending & group_ends & (tile == core.query_tiles - 1)),
        ]
        self._memories(m, places, ~fresh, old, new)
        return m

    def _address(self, tile: Value, chunk: Value) -> Value:
        """Of a chunk of a tile in a half."""
        width = len(range(self.core.query_tiles * self.chunks)).bit_length()
        if self.core.query_tiles == 1:
            return chunk
        bases = Array(r * self.chunks for r in range(self.core.query_tiles))
        return (bases[tile] + chunk)[:width]

    def _memories(
        self,
        m: Module,
        places: list[tuple[Value, ...]],
        adds: Value,
        old: list[Signal],
        new: list[Value],
    ) -> None:
        """A memory per half and element of a chunk, whose words hold all rows.

        What is added to is 0 unless ``adds``.
        """
        n = self.core.numerics
        width = n.total_bits
        depth = max(2, self.core.query_tiles * self.chunks)
        read_at, read_bank, read_half, reading = places[0][:4]
        _, bank_then, half_then = places[1][:3]
        written_at, written_bank, written_half, writing = places[2][:4]
        # Which part of the words is read out, a bit for each.
        chosen = [Signal(n.rows, name=f"chosen_{h}", reset_less=True) for h in range(2)]
        with m.If(self.read_enable):
            m.d.sync += [
                one[i].eq((self.read_half == half) & (self.read_row == i))
                for half, one in enumerate(chosen)
                for i in range(n.rows)
            ]
        out_at = self._address(self.read_tile, self.read_chunk)
        contents: list[list[Value]] = [[], []]
        for half in range(2):
            for b in range(self.banks):
                bank = Bank.instance(self.library, width * n.rows, depth)
                m.submodules[f"half_{half}_{b}"] = bank
                adding, taking = (
                    Signal(name=f"adding_{half}_{b}"),
                    Signal(name=f"taking_{half}_{b}"),
                )
                m.d.comb += [
                    adding.eq(reading & (read_half == half) & self._is(read_bank, b)),
                    taking.eq(self.read_enable & (self.read_half == half)),
                    bank.read_enable.eq(adding | taking),
                    bank.read_address.eq(Mux(taking, out_at, read_at)),
                    bank.write_enable.eq(
                        writing & (written_half == half) & self._is(written_bank, b)
                    ),
                    bank.write_address.eq(written_at),
                    *(
                        bank.write_data[i * width : (i + 1) * width].eq(value)
                        for i, value in enumerate(new)
                    ),
                ]
                contents[half].append(bank.read_data)
        words = [
            (word, adds & (half_then == half) & self._is(bank_then, b))
            for half, of_half in enumerate(contents)
            for b, word in enumerate(of_half)
        ]
        for i in range(n.rows):
            part = slice(i * width, (i + 1) * width)
            m.d.comb += old[i].eq(_selected([(word[part], on) for word, on in words]).as_signed())
        for b in range(self.banks):
            m.d.comb += self.read[b].eq(
                _selected(
                    [
                        (contents[half][b][i * width : (i + 1) * width], chosen[half][i])
                        for half in range(2)
                        for i in range(n.rows)
                    ]
                ).as_signed()
            )

    @staticmethod
    def _is(number: Value, b: int) -> Value:
        return number == b


def _selected(values: Sequence[tuple[Value, Value]]) -> Value:
    """Of values with a bit each the one whose bit is set; 0 where none is."""
    return reduce(or_, (value & on.replicate(len(value)) for value, on in values))
