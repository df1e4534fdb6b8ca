"""Tiles of keys that a rule keeps, found by counting."""

from __future__ import annotations

from amaranth.hdl import Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from accelgen.attention.accelerator.core import Core
from accelgen.rtl.attention.tile_info import POSITION_BITS

__all__ = ["RuleWalk"]


class RuleWalk(wiring.Component):
    """Looks at one tile per cycle, up to ``highest``, from the cycle after ``start`` on.

    The rule by tokens keeps tiles with keys below ``sink`` or less than ``window`` before the first
    query at ``position``; what lies between is skipped at once.  The rule by blocks
    (``by_block``), of ``2**block_shift`` keys each, at least a tile, keeps blocks with keys below
    ``sink``, the ``local`` last ones up to that of ``position``, and with a ``stride`` those whose
    number plus ``phase`` (below the stride) it divides.

    Ports (in, unless said): these; ``start`` (pulse); ``active`` (out, until the last tile was
    looked at), ``tile`` and ``kept`` (out: the present one is), ``ready`` (a tile that is kept
    waits for it), ``ends`` (out, pulse: in the last cycle of ``active``).
    """

    def __init__(self, core: Core) -> None:
        self.core = core
        numbers = ("position", "highest", "phase", "sink", "window", "local", "stride")
        super().__init__(
            {
                **{name: In(POSITION_BITS) for name in numbers},
                "by_block": In(1),
                "block_shift": In(5),
                "start": In(1),
                "active": Out(1),
                "tile": Out(POSITION_BITS),
                "kept": Out(1),
                "ready": In(1),
                "ends": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the hardware."""
        m = Module()
        shift = (self.core.numerics.rows - 1).bit_length()
        tile, nearest, sinks, residue = (
            Signal(POSITION_BITS, name=name, reset_less=True)
            for name in ("tile", "nearest", "sinks", "residue")
        )
        strided = Signal(reset_less=True)
        self._plan(m, shift, nearest, sinks)
        kept, onwards, following = Signal(), Signal(), Signal(POSITION_BITS)
        in_block, tiles_shift, block_ends = Signal(POSITION_BITS), Signal(5), Signal()
        m.d.comb += [
            kept.eq(
                (tile <= self.highest)
                & ((tile < sinks) | (tile >= nearest) | (strided & (residue == 0)))
            ),
            onwards.eq(self.active & (~kept | self.ready)),
            following.eq(tile + 1),
            tiles_shift.eq(self.block_shift - shift),
            in_block.eq((Const(1, POSITION_BITS) << tiles_shift)[:POSITION_BITS] - 1),
            block_ends.eq((tile & in_block) == in_block),
            self.tile.eq(tile),
            self.kept.eq(self.active & kept),
            self.ends.eq(onwards & (tile >= self.highest)),
        ]
        with m.If(onwards):
            with m.If(strided & block_ends):
                m.d.sync += residue.eq(Mux(residue + 1 == self.stride, 0, residue + 1))
            skips = ~strided & (following >= sinks) & (following < nearest)
            m.d.sync += tile.eq(Mux(skips, nearest, following))
        with m.If(self.start):
            m.d.sync += [
                self.active.eq(1),
                tile.eq(0),
                residue.eq(self.phase),
                strided.eq(self.by_block & (self.stride != 0)),
            ]
        with m.Elif(self.ends):
            m.d.sync += self.active.eq(0)
        return m

    def _plan(self, m: Module, shift: int, nearest: Signal, sinks: Signal) -> None:
        """The first tile of the window, and that after the first keys, with ``start``."""
        block = Signal(POSITION_BITS)
        # Without any local block or token, what comes after the last position of all.
        first_block, first = Signal(POSITION_BITS + 1), Signal(POSITION_BITS + 1)
        m.d.comb += [
            block.eq(self.position >> self.block_shift),
            first_block.eq(Mux(block >= self.local, block - self.local + 1, 0)),
        ]
        with m.If(self.by_block):
            m.d.comb += first.eq((first_block << self.block_shift)[: POSITION_BITS + 1])
        with m.Elif(self.position >= self.window):
            m.d.comb += first.eq(self.position - self.window + 1)
        with m.If(self.start):
            m.d.sync += [
                nearest.eq(first >> shift),
                sinks.eq((self.sink + ((1 << shift) - 1)) >> shift),
            ]
