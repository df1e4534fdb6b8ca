"""Which pass runs next on the array: scores of a tile, or outputs of the one before."""

from __future__ import annotations

from amaranth.hdl import Array as Choice
from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import data, enum, wiring
from amaranth.lib.wiring import In, Out

from accelgen.attention.accelerator.core import Core
from accelgen.attention.accelerator.datapath.numerics import Numerics
from accelgen.rtl.attention.array import Array
from accelgen.rtl.attention.tile_info import LOWER, UPPER, list_item, tile_info

__all__ = ["Phase", "Sequencer"]


class Phase(enum.Enum):
    """What the array does."""

    IDLE = 0
    SCORES = 1
    OUTPUTS = 2


class Sequencer(wiring.Component):
    """Interleaves the passes so that multipliers work while lanes do the softmax.

    The scores of tile k + 1 are computed before the outputs of tile k, whose softmax runs
    meanwhile.  At the end of a pass, or while idle, the next one is chosen: the scores of the next
    tile, if its keys and queries are there and at most one tile waits for its outputs; else
    outputs, if probabilities, values and a half of the totals are there.

    Ports (in, unless said): ``item``, ``item_valid``, ``item_ready`` (out); ``queries``, ``keys``,
    ``values``: packets that can be read, and ``release_*`` (out, pulses); ``phase`` (out), with
    ``index`` of the dimension and ``tile`` of queries; ``capture`` (out, pulse) of the tile
    ``captured`` (out, which stays from five cycles before); ``ready`` (of the softmax), ``begin``
    (out, pulse: outputs of ``beginning`` start in the next cycle);
    ``read`` (pulse: the scores of summaries that were captured are read), ``scored_part`` (out: of
    which kind the keys of the present scores are) and ``accumulate`` (out: they are added to those
    of the pass before); ``free`` (pulse: the older half
    of the totals was read out); ``done`` (pulse: the outputs of a tile are added); ``busy`` (out:
    from the first step of a tile to the cycle in which the last output is written).
    """

    CAPTURE = Array.SCORE_LATENCY + 1
    """From the last step of a score to its capture; the array works a cycle after its step."""

    @staticmethod
    def done_cycles(numerics: Numerics) -> int:
        """From ``begin`` to ``done``, without pauses.

        The last step is ``value_dim + 1`` cycles after ``begin``, in the array a cycle later; its
        sums are written in the cycle in which they come, and ``done`` is in the next.
        """
        return numerics.value_dim + 1 + 1 + Array.sum_latency(numerics.rows) + 1

    def __init__(self, core: Core) -> None:
        self.core = core
        n = core.numerics
        super().__init__(
            {
                "item": In(list_item(core)),
                "item_valid": In(1),
                "item_ready": Out(1),
                "queries": In(2),
                "keys": In(2),
                "values": In(2),
                "release_queries": Out(1),
                "release_keys": Out(1),
                "release_values": Out(1),
                "phase": Out(Phase),
                "index": Out(range(max(n.head_dim, n.value_dim + 1))),
                "tile": Out(range(max(2, core.query_tiles))),
                "capture": Out(1),
                "captured": Out(tile_info(core)),
                "ready": In(1),
                "read": In(1),
                "accumulate": Out(1),
                "scored_part": Out(2),
                "begin": Out(1),
                "beginning": Out(tile_info(core)),
                "free": In(1),
                "done": In(1),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the hardware."""
        m = Module()
        core, n = self.core, self.core.numerics
        layout = tile_info(core)
        last_tile = core.query_tiles - 1
        scoring = Signal(layout, reset_less=True)
        scored_info = Signal(layout, reset_less=True)
        kept_info = Signal(layout, reset_less=True)
        putting = Signal(layout, reset_less=True)
        next_tile, half = Signal(range(max(2, core.query_tiles))), Signal()
        # A tile whose scores are in the accumulators; one that is kept in the cells.
        scored, kept = Signal(), Signal()
        last, scores_end, outputs_end, free_array = Signal(), Signal(), Signal(), Signal()
        ends = Mux(self.phase == Phase.SCORES, n.head_dim - 1, n.value_dim)
        m.d.comb += [
            last.eq(self.index == ends),
            scores_end.eq((self.phase == Phase.SCORES) & last),
            outputs_end.eq((self.phase == Phase.OUTPUTS) & last),
            free_array.eq((self.phase == Phase.IDLE) | last),
            self.release_keys.eq(scores_end & (scoring.tile == last_tile) & ~scoring.item.void),
            self.release_queries.eq(scores_end & (scoring.tile == last_tile) & scoring.item.last),
            self.release_values.eq(outputs_end & (putting.tile == last_tile) & ~putting.item.void),
        ]
        item = data.View(list_item(core), self.item)
        halves = Signal(2)  # complete, or about to be
        half_is_free = Signal()
        can_score, can_output = Signal(), Signal()
        # A tile of summaries is read at once, and then not kept: nothing else may be.
        upper, alone = Signal(), Signal()
        m.d.comb += [
            half_is_free.eq(~Choice([halves[0], halves[1]])[kept_info.half]),
            can_score.eq(
                self.item_valid
                & (item.void | (self.keys > self.release_keys))
                & (self.queries > self.release_queries)
                & ~scored
                & ~(kept & scores_end)
                & ((item.summary == 0) | alone)
            ),
            upper.eq(scoring.item.summary == UPPER),
            alone.eq(~kept & ~(scores_end & ~upper)),
            self.accumulate.eq(scoring.item.summary == LOWER),
            self.scored_part.eq(scoring.item.summary),
            can_output.eq(
                kept
                & self.ready
                & (kept_info.item.void | (self.values > self.release_values))
                & (~kept_info.item.first | half_is_free)
            ),
        ]
        begin_scores, begin_outputs = Signal(), Signal()
        m.d.comb += [
            begin_scores.eq(free_array & can_score),
            begin_outputs.eq(free_array & can_output & ~can_score),
            self.begin.eq(begin_outputs),
            self.beginning.eq(kept_info),
            self.item_ready.eq(begin_scores & (next_tile == last_tile)),
        ]
        with m.If(free_array):
            m.d.sync += [
                self.phase.eq(
                    Mux(
                        begin_scores,
                        Phase.SCORES,
                        Mux(begin_outputs, Phase.OUTPUTS, Phase.IDLE),
                    )
                ),
                self.index.eq(0),
            ]
        with m.Else():
            m.d.sync += self.index.eq(self.index + 1)
        with m.If(begin_scores):
            m.d.sync += [
                scoring.item.eq(item),
                scoring.tile.eq(next_tile),
                scoring.half.eq(half),
                next_tile.eq(Mux(next_tile == last_tile, 0, next_tile + 1)),
            ]
            with m.If(item.last & (next_tile == last_tile)):
                m.d.sync += half.eq(~half)
        m.d.comb += self.tile.eq(scoring.tile)
        self._keep(m, scores_end & ~upper, begin_outputs, scored, kept)
        with m.If(scores_end):
            m.d.sync += scored_info.eq(scoring)
        with m.If(self.capture):
            m.d.sync += kept_info.eq(scored_info)
        m.d.comb += self.captured.eq(scored_info)
        with m.If(begin_outputs):
            m.d.sync += putting.eq(kept_info)
        self._count(m, begin_outputs, kept_info, halves)
        in_flight = Signal(range(4))
        m.d.sync += in_flight.eq(in_flight + begin_outputs - self.done)
        m.d.comb += self.busy.eq((self.phase != Phase.IDLE) | kept | scored | (in_flight != 0))
        return m

    def _keep(
        self, m: Module, scores_end: Value, begin: Signal, scored: Signal, kept: Signal
    ) -> None:
        """Scores move from accumulators into the cells as soon as these are free."""
        waits = Signal()
        capturing = Signal(self.CAPTURE)
        m.d.comb += [
            waits.eq(scored | (scores_end & kept)),
            self.capture.eq(capturing[-1]),
        ]
        with m.If(begin):
            m.d.sync += [kept.eq(waits), scored.eq(0)]
        with m.Elif(scores_end):
            m.d.sync += [kept.eq(1), scored.eq(kept)]
        with m.If(self.read):
            m.d.sync += kept.eq(0)
        event = (scores_end & ~kept) | (begin & waits)
        m.d.sync += capturing.eq((capturing << 1) | event)

    def _count(self, m: Module, begin: Signal, info: Signal, halves: Signal) -> None:
        """Which halves of the totals are complete or will be, until they are read out."""
        oldest = Signal()
        view = data.View(tile_info(self.core), info)
        completes = Signal()
        m.d.comb += completes.eq(begin & view.item.last & (view.tile == self.core.query_tiles - 1))
        with m.If(self.free):
            m.d.sync += oldest.eq(~oldest)
        for h in range(2):
            with m.If(completes & (view.half == h)):
                m.d.sync += halves[h].eq(1)
            with m.Elif(self.free & (oldest == h)):
                m.d.sync += halves[h].eq(0)
