"""Which pairs of a tile are allowed, a key per cycle for all rows."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from accelgen.attention.accelerator.core import Core
from accelgen.rtl.attention.tile_info import POSITION_BITS, tile_info
from accelgen.rtl.library import UnitLibrary
from accelgen.rtl.streams.bank import Bank

__all__ = ["Masks"]


class Masks(wiring.Component):
    """Compares positions, and reads the masks that came with the lists.

    Ports (in, unless said): ``info``: the tile that is captured next, from two cycles before its
    ``capture``; ``keys``, ``sink``, ``window``: registers of the problem; ``key``: number of a key
    in the captured tile; ``allowed`` (out, a bit per row, in the cycle after its ``key``);
    ``write_enable``, ``write_address`` (slot, tile, key), ``write_data``: a word of a mask, a bit
    per row.
    """

    def __init__(self, core: Core, library: UnitLibrary) -> None:
        self.core = core
        self.library = library
        rows = core.numerics.rows
        self.words = core.mask_slots * core.query_tiles * rows
        super().__init__(
            {
                "info": In(tile_info(core)),
                "capture": In(1),
                "keys": In(POSITION_BITS),
                "sink": In(POSITION_BITS),
                "window": In(POSITION_BITS),
                "key": In(range(rows)),
                "allowed": Out(rows),
                "write_enable": In(1),
                "write_address": In(range(self.words)),
                "write_data": In(rows),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the hardware."""
        m = Module()
        core = self.core
        rows = core.numerics.rows
        info = data.View(tile_info(core), self.info)
        per_tile = core.tokens_per_tile
        first_key = info.item.column << (rows - 1).bit_length()
        position: Value = info.item.position
        if core.query_tiles > 1:
            position = position + info.tile * per_tile
        wide = signed(POSITION_BITS + 2)
        ahead = Signal(wide)
        m.d.comb += ahead.eq(position - first_key)
        # Numbers of keys in the tile, from what they are relative to query token 0 of it.
        narrow = signed((2 * rows).bit_length() + 1)
        relative = {
            "upper": (ahead, -rows),
            "lower": (ahead - self.window, -rows),
            "sinks": (self.sink - first_key, 0),
            "present": (Mux(info.item.void, 0, self.keys - first_key), 0),
        }
        bounds: dict[str, Signal] = {}
        for name, (value, least) in relative.items():
            exact = Signal(signed(POSITION_BITS + 3), name=f"{name}_exact")
            near = Signal(narrow, name=f"{name}_near", reset_less=True)
            bound = bounds[name] = Signal(narrow, name=name, reset_less=True)
            m.d.comb += exact.eq(value)
            m.d.sync += near.eq(
                Mux(
                    exact < least, least, Mux(exact > rows, rows, exact[: narrow.width].as_signed())
                )
            )
            with m.If(self.capture):
                m.d.sync += bound.eq(near)
        flags, tile = Signal(3, reset_less=True), Signal(len(info.tile), reset_less=True)
        slot = Signal(len(info.item.slot), reset_less=True)
        with m.If(self.capture):
            m.d.sync += [flags.eq(info.item.flags), tile.eq(info.tile), slot.eq(info.item.slot)]
        m.submodules.words = words = Bank.instance(self.library, rows, self.words)
        m.d.comb += [
            words.write_enable.eq(self.write_enable),
            words.write_address.eq(self.write_address),
            words.write_data.eq(self.write_data),
            words.read_enable.eq(flags[2]),
            words.read_address.eq((slot * core.query_tiles + tile) * rows + self.key),
        ]
        masked = Signal(reset_less=True)
        compared = Signal(rows, reset_less=True)
        m.d.sync += masked.eq(flags[2])
        m.d.comb += self.allowed.eq(compared & (words.read_data | ~masked.replicate(rows)))
        present, sink = Signal(), Signal()
        # The first token that is not before the key, and the first that no longer sees it.
        reached, left = Signal(narrow), Signal(narrow)
        m.d.comb += [
            present.eq(self.key < bounds["present"]),
            sink.eq(self.key < bounds["sinks"]),
            reached.eq(self.key - bounds["upper"]),
            left.eq(self.key - bounds["lower"]),
        ]
        by_token: dict[int, Value] = {}
        for row in range(rows):
            token = row // core.group
            if token not in by_token:
                pair = Signal(name=f"pair_{token}")
                m.d.comb += pair.eq(
                    present & (~flags[0] | (reached <= token)) & (~flags[1] | (left > token) | sink)
                )
                by_token[token] = pair
            m.d.sync += compared[row].eq(by_token[token])
        return m
