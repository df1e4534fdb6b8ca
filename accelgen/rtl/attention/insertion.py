"""A top-k selector for few: a cell for each score that is kept."""

from __future__ import annotations

from amaranth.hdl import Array, C, Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring

from accelgen.attention.accelerator.datapath.topk import MOST_CELLS, SelectorShape, insertion_cycles
from accelgen.errors import InputError
from accelgen.rtl.attention.popcount import popcount
from accelgen.rtl.attention.selector_ports import selector_ports

__all__ = ["InsertionSelector"]


class InsertionSelector(wiring.Component):
    """Selects the ``k`` best of a set of scores, ``k <= max_k <= 16`` (see ``selector_ports``).

    Throughput: a lane per cycle, that is a beat in ``width_in`` cycles.  Latency: the last index
    leaves ``max_k`` cycles after the last lane is taken, whatever is selected (:meth:`cycles`).
    The next set is taken meanwhile.  It waits a cycle for a free cell where ``2 k > max_k``, and
    with its last lane until the indices of the set before have left.  ``scores.ready`` does not
    depend on ``selected.ready``.

    Method: the cells hold scores in the order of their arrival, so that indices leave in ascending
    order, and each its rank among those kept.  A score is compared with all of them at once: those
    it beats move down a rank, the one that falls out of the first ``k`` leaves a gap that those
    behind it close, and the score follows at the end.
    """

    def __init__(self, shape: SelectorShape) -> None:
        if shape.max_k > MOST_CELLS:
            self._MustUse__silence = True
            raise InputError(
                f"is {shape.max_k}", where="max_k", hint=f"use a RadixSelector above {MOST_CELLS}"
            )
        self.shape = shape
        super().__init__(selector_ports(shape))

    def cycles(self, n: int, selected: int) -> int:
        """See :func:`accelgen.attention.accelerator.datapath.topk.insertion_cycles`."""
        return insertion_cycles(self.shape, n, selected)

    def elaborate(self, platform: object) -> Module:
        """Build the hardware."""
        m = Module()
        cells, k = self.shape.max_k, self.scores.k
        valid, old = Signal(cells), Signal(cells, reset_less=True)
        keys, ranks, indices = (
            [Signal(bits, name=f"{name}_{i}", reset_less=True) for i in range(cells)]
            for name, bits in (
                ("key", self.shape.score_bits + 1),
                ("rank", range(max(2, cells))),
                ("index", range(self.shape.max_scores)),
            )
        )
        width = self.shape.width_in
        count = Signal.like(k)
        number = Signal(range(-(-self.shape.max_scores // width) * width))  # of the next score
        empty, full, any_old, taken, last = (
            Signal(name=name) for name in ("empty", "full", "any_old", "taken", "last")
        )
        m.d.comb += [
            full.eq(count == k),
            any_old.eq((valid & old).any()),
            taken.eq(valid[0] & old[0] & self.selected.ready),
        ]
        lane = number[: (width - 1).bit_length()]
        key, never = self._score(m, lane)
        can, step, wanted, insert = (Signal(name=n) for n in ("can", "step", "wanted", "insert"))
        m.d.comb += [
            last.eq(self.scores.last & (lane == width - 1)),
            # The set before must have left when this one ends: there is one mark for old ones.
            can.eq((full | ~valid.all()) & ~(last & (any_old | empty))),
            step.eq(self.scores.valid & can),
            wanted.eq(step & ~never),
            self.scores.ready.eq(can & (lane == width - 1)),
        ]
        beaten, out = Signal(cells), Signal(cells)
        rivals = valid & ~old
        for i in range(cells):
            m.d.comb += beaten[i].eq(wanted & rivals[i] & (key > keys[i]))
            m.d.comb += out[i].eq(beaten[i] & (ranks[i] == (k - 1)[: len(ranks[i])]))
        m.d.comb += insert.eq(wanted & (~full | out.any()))
        # What moves from a cell to the one before it.
        moves = [Signal(name=f"move_{i}") for i in range(cells)]
        for i in range(1, cells):
            gap = ~valid[:i].all() | taken
            m.d.comb += moves[i].eq(valid[i] & Mux(old[i], gap, insert & (~full | out[:i].any())))
        m.d.comb += moves[0].eq(taken)
        later = [rank + beaten[i] for i, rank in enumerate(ranks)]
        for i in range(cells):
            with m.If(beaten[i]):
                m.d.sync += ranks[i].eq(later[i])
            if i + 1 < cells:
                with m.If(moves[i + 1]):
                    m.d.sync += [
                        keys[i].eq(keys[i + 1]),
                        ranks[i].eq(later[i + 1]),
                        indices[i].eq(indices[i + 1]),
                    ]
                m.d.sync += valid[i].eq(moves[i + 1] | (valid[i] & ~moves[i]))
                with m.If(moves[i + 1]):
                    m.d.sync += old[i].eq(old[i + 1])
        with m.If(insert):
            m.d.sync += [
                keys[-1].eq(key),
                ranks[-1].eq(popcount(m, rivals & ~beaten, "better")),
                indices[-1].eq(number),
                old[-1].eq(0),
            ]
        m.d.sync += valid[-1].eq(insert | (valid[-1] & ~moves[-1]))
        with m.If(step):
            m.d.sync += [number.eq(number + 1), count.eq(count + (insert & ~full))]
        with m.If(step & last):
            m.d.sync += [old.eq(-1), number.eq(0), count.eq(0)]
        m.d.sync += empty.eq(Mux(empty, ~self.selected.ready, step & last & ~insert & (count == 0)))
        following: Value = valid[1] & old[1] if cells > 1 else C(0)
        m.d.comb += [
            self.selected.valid.eq((valid[0] & old[0]) | empty),
            # Of an empty selection too what is offered stays, while the next set comes in.
            self.selected.index.eq(Mux(empty, 0, indices[0])),
            self.selected.empty.eq(empty),
            self.selected.last.eq(empty | ~following),
        ]
        return m

    def _score(self, m: Module, lane: Value) -> tuple[Value, Value]:
        """The score of a lane as a number that grows with its order, and its never bit."""
        lanes = [
            Cat(score, self.scores.forced[i], self.scores.never[i])
            for i, score in enumerate(self.scores.score)
        ]
        chosen = Signal(self.shape.score_bits + 2)
        m.d.comb += chosen.eq(Array(lanes)[lane] if len(lane) else lanes[0])
        score, forced, never = chosen[:-2], chosen[-2], chosen[-1]
        sign = self.shape.score_bits - 1
        must, key = Signal(), Signal(self.shape.score_bits + 1)
        m.d.comb += must.eq(forced)
        # Offset binary; forced ones are alike.
        m.d.comb += key.eq(Cat(score ^ (1 << sign), must) | must.replicate(len(key)))
        return key, never
