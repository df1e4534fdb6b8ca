"""The array of cells: scores stay, outputs travel along the rows, columns are a cycle apart."""

from __future__ import annotations

from functools import reduce
from operator import or_

from amaranth.hdl import Cat, Module, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from accelgen.attention.accelerator.datapath.numerics import Numerics
from accelgen.rtl.attention.cell import Cell
from accelgen.rtl.delay import delay_line
from accelgen.rtl.library import UnitLibrary

__all__ = ["Array"]


class Array(wiring.Component):
    """``rows`` x ``rows`` cells on which scores and outputs are computed in turn.

    All rows work in the same cycle; column ``j`` does what column 0 did ``j`` cycles before.

    Ports (in, unless said): ``step`` (one of the head or value dimension per cycle), with
    ``output`` (it is of an output, not of a score) and ``first`` (the first of its pass);
    ``queries``: one operand per row, in the cycle after its step; ``elements``: one of the key (or
    value) per column, two cycles after its step, delayed to its column in here; ``capture``,
    ``select``, ``keep`` for column 0 (see Cell); ``probabilities``, one per row; ``kept`` (out,
    per row: what the cell of the selected column keeps, 0 without one); ``sums`` (out, per row:
    the sum of the row); ``leaving``, ``leaving_first`` (out: sums of a step of an output come two
    cycles later, and it is the first of its pass).

    Latency from ``step`` to the score in column ``j``: ``4 + j``, when it can be captured; to
    ``sums``: ``rows + 3``.  Throughput: a step per cycle.
    """

    SCORE_LATENCY = Cell.LATENCY + 1

    @staticmethod
    def sum_latency(rows: int) -> int:
        """From a step of an output to ``sums``."""
        return Array.SCORE_LATENCY + rows - 1

    def __init__(self, numerics: Numerics, library: UnitLibrary) -> None:
        self.numerics = n = numerics
        self.library = library
        super().__init__(
            {
                "step": In(1),
                "output": In(1),
                "first": In(1),
                "queries": In(signed(n.operand_bits)).array(n.rows),
                "elements": In(signed(n.element_bits)).array(n.rows),
                "capture": In(1),
                "select": In(1),
                "keep": In(1),
                "probabilities": In(n.probability_fraction).array(n.rows),
                "kept": Out(n.score_bits).array(n.rows),
                "sums": Out(signed(n.accumulator_bits)).array(n.rows),
                "leaving": Out(1),
                "leaving_first": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the hardware."""
        m = Module()
        n = self.numerics
        rows = n.rows
        # What a column does with a step three cycles long is what three neighbours do at once.
        steps = self._chain(m, Cat(self.step, self.output, self.first), rows + 3, "step")
        others = {
            name: self._chain(m, getattr(self, name), rows, name)
            for name in ("capture", "select", "keep")
        }
        leaving = steps[rows + 1]
        m.d.comb += [
            self.leaving.eq(leaving[0] & leaving[1]),
            self.leaving_first.eq(leaving.all()),
        ]
        right: list[list[Cell]] = []
        for j in range(rows):
            element = delay_line(m, self.elements[j], signed(n.element_bits), (j,), f"element_{j}")[
                j
            ]
            loading, multiplying, adding = (steps[j + k] for k in (1, 2, 3))
            controls: dict[str, Value] = {
                "shift": loading[0] & ~loading[1],
                "recall": loading[0] & loading[1] & loading[2],
                "multiply": multiplying[0],
                "add": adding[0],
                "along": adding[1],
                "first": adding[2],
                "capture": others["capture"][j],
                "select": others["select"][j],
                "keep": others["keep"][j],
            }
            local = {name: Signal(name=f"{name}_{j}") for name in controls}
            m.d.comb += [local[name].eq(value) for name, value in controls.items()]
            column = []
            for i in range(rows):
                cell = self.library.instance(Cell(n), "cell")
                m.submodules[f"cell_{i}_{j}"] = cell
                m.d.comb += [
                    cell.operand_in.eq(right[-1][i].operand if j else self.queries[i]),
                    cell.left.eq(right[-1][i].sum if j else 0),
                    cell.element.eq(element),
                    cell.probability.eq(self.probabilities[i]),
                    *(getattr(cell, name).eq(value) for name, value in local.items()),
                ]
                column.append(cell)
            right.append(column)
        for i in range(rows):
            m.d.comb += [
                self.kept[i].eq(reduce(or_, (right[j][i].kept for j in range(rows)))),
                self.sums[i].eq(right[-1][i].sum),
            ]
        return m

    @staticmethod
    def _chain(m: Module, value: Value, length: int, name: str) -> list[Value]:
        """``value`` now and 1, 2, ... cycles ago; nothing happens after a reset."""
        chain: list[Value] = [value]
        for k in range(1, length + 1):
            stage = Signal(len(value), name=f"{name}_chain{k}")
            m.d.sync += stage.eq(chain[-1])
            chain.append(stage)
        return chain
