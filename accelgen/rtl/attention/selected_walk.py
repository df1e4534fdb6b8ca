"""Tiles of the blocks of keys that rows select, with their masks."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import enum, wiring
from amaranth.lib.wiring import In, Out

from accelgen.attention.accelerator.core import Core
from accelgen.rtl.attention.tile_info import LOWER, POSITION_BITS, UPPER, WHOLE

__all__ = ["SelectedWalk"]


class State(enum.Enum):
    """What is done for a row group."""

    IDLE = 0
    SUMMARIES = 1
    WAIT = 2
    CHECK = 3
    FILL = 4


class SelectedWalk(wiring.Component):
    """Asks for the summaries of blocks, waits until a Selection has selected, and makes tiles.

    Of every tile up to ``highest`` the words of its blocks are read, a cycle each and two more;
    where any row sees one, a word per key follows, which is the mask of the tile, in ``rows + 1``
    cycles.

    Ports (in, unless said): ``start`` (pulse), ``blocks``, ``bounds``, ``highest``,
    ``block_shift``; ``summary`` (out: a tile of them is wanted, number ``tile``, which waits for
    ``room``); ``selected``; ``read_enable``, ``read_block`` (out) and ``read_mask`` (a cycle
    later); ``mask_room`` (a mask waits for it), ``mask_enable``, ``mask_word``, ``mask_data`` (out:
    word by word), ``put`` (out, pulse: tile ``tile`` and its mask are whole; waits for ``free``),
    ``ends`` (out, pulse: in the last cycle of a row group).
    """

    def __init__(self, core: Core) -> None:
        self.core = core
        assert core.selector is not None
        rows, most = core.numerics.rows, core.selector.max_scores
        super().__init__(
            {
                "start": In(1),
                "blocks": In(range(most + 1)),
                "bounds": In(1),
                "highest": In(POSITION_BITS),
                "block_shift": In(5),
                "summary": Out(2),
                "room": In(1),
                "selected": In(1),
                "read_enable": Out(1),
                "read_block": Out(range(most)),
                "read_mask": In(rows),
                "mask_room": In(1),
                "mask_enable": Out(1),
                "mask_word": Out(range(rows)),
                "mask_data": Out(rows),
                "free": In(1),
                "put": Out(1),
                "tile": Out(POSITION_BITS),
                "ends": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the hardware."""
        m = Module()
        shift = (self.core.numerics.rows - 1).bit_length()
        state, tile, part = Signal(State), Signal(POSITION_BITS, reset_less=True), Signal()
        next_tile = Signal()
        last_part, last_summary = Signal(), Signal()
        m.d.comb += [
            self.tile.eq(tile),
            last_part.eq(~self.bounds | part),
            last_summary.eq(((tile + 1) << shift) >= self.blocks),
            self.ends.eq(next_tile & (tile >= self.highest)),
        ]
        with m.If(state == State.SUMMARIES):
            m.d.comb += self.summary.eq(Mux(self.bounds, Mux(part, LOWER, UPPER), WHOLE))
            with m.If(self.room):
                m.d.sync += [part.eq(~last_part), tile.eq(tile + last_part)]
                with m.If(last_part & last_summary):
                    m.d.sync += [state.eq(State.WAIT), tile.eq(0)]
        with m.If((state == State.WAIT) & self.selected):
            m.d.sync += state.eq(State.CHECK)
        self._masks(m, state, tile, next_tile)
        with m.If(next_tile):
            m.d.sync += [
                tile.eq(tile + 1),
                state.eq(Mux(self.ends, State.IDLE, State.CHECK)),
            ]
        with m.If(self.start):
            m.d.sync += [state.eq(State.SUMMARIES), tile.eq(0), part.eq(0)]
        return m

    def _masks(self, m: Module, state: Signal, tile: Signal, next_tile: Signal) -> None:
        """Look at the words of the blocks of a tile; if any row sees one, write a word per key."""
        rows = self.core.numerics.rows
        shift = (rows - 1).bit_length()
        count = Signal(range(rows + 2))
        any_row, present, end = Signal(), Signal(), Signal()
        pages, words = Signal(range(rows + 1)), Signal(range(rows + 1))
        key, into, block = (Signal(POSITION_BITS, name=name) for name in ("key", "into", "block"))
        word = Signal(rows)
        checking, filling = Signal(), Signal()
        m.d.comb += [
            checking.eq(state == State.CHECK),
            filling.eq(state == State.FILL),
            pages.eq(Mux(self.block_shift >= shift, 1, rows >> self.block_shift)),
            into.eq(count << Mux(checking, self.block_shift, 0)),
            key.eq((tile << shift) + into),
            block.eq(key >> self.block_shift),
            words.eq(Mux(checking, pages, rows)),
            end.eq(count == words + checking),
            self.read_enable.eq((checking | filling) & (count < words)),
            self.read_block.eq(block),
            word.eq(Mux(present, self.read_mask, 0)),
        ]
        with m.If(self.read_enable):
            m.d.sync += present.eq(block < self.blocks)
        with m.If((checking | filling) & ~end):
            m.d.sync += count.eq(count + 1)
        # What was read is seen a cycle later: a memory takes long.
        with m.If(checking & (count != 0) & ~end):
            m.d.sync += any_row.eq(any_row | word.any())
        with m.If(checking & end):
            with m.If(~any_row):
                m.d.comb += next_tile.eq(1)
            with m.Elif(self.mask_room):
                m.d.sync += [state.eq(State.FILL), count.eq(0)]
        with m.If(filling):
            m.d.comb += [
                self.mask_enable.eq(count != 0),
                self.mask_word.eq(count - 1),
                self.mask_data.eq(word),
            ]
            with m.If(end & self.free):
                m.d.comb += [self.put.eq(1), next_tile.eq(1)]
        with m.If(next_tile | (state == State.WAIT)):
            m.d.sync += [count.eq(0), any_row.eq(0)]
